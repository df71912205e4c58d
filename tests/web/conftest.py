from tests.video.conftest import background, one_walker, videos  # noqa: F401
