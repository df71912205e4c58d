"""How `make notebooks` executes the notebooks into pages that open from disk."""

import os

# plotly's script goes into the page; the kernel inherits this
os.environ.setdefault("PLOTLY_RENDERER", "notebook")

c = get_config()  # noqa: F821 - given by Jupyter
c.NbConvertApp.export_format = "html"
c.NbConvertApp.log_level = "ERROR"
c.FilesWriter.build_directory = "runs/notebooks"
c.HTMLExporter.require_js_url = ""
c.HTMLExporter.mathjax_url = ""
c.ExecutePreprocessor.enabled = True
c.ExecutePreprocessor.extra_arguments = ["--log-level=ERROR"]
c.ExecutePreprocessor.startup_timeout = 600
c.ExecutePreprocessor.timeout = 600
