// Sends the video that is dropped or chosen; everything else on the page are plain forms.
const drop = document.querySelector("#drop");

function send(file) {
  const said = drop.querySelector("#said"), bar = drop.querySelector("progress");
  if (file.size > Number(drop.dataset.most)) {
    said.textContent = `${file.name} is larger than ${Math.round(drop.dataset.most / 1e6)} MB; cut it.`;
    return;
  }
  const request = new XMLHttpRequest();
  request.open("POST", `${drop.dataset.to}&name=${encodeURIComponent(file.name)}`);
  request.upload.onprogress = event => { bar.value = event.loaded / event.total; };
  request.onload = () => {
    if (request.status === 200) location = JSON.parse(request.responseText).page;
    else { said.textContent = request.responseText; bar.hidden = true; }
  };
  request.onerror = () => { said.textContent = "The page has no answer; is `meshgait serve` still running?"; };
  said.textContent = "";
  bar.hidden = false;
  request.send(file);
}

if (drop) {
  drop.querySelector("input").addEventListener("change", event => {
    if (event.target.files.length) send(event.target.files[0]);
  });
  drop.addEventListener("dragover", event => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", event => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
  });
}
// a video that is dropped beside the field must not replace the page
for (const name of ["dragover", "drop"]) window.addEventListener(name, event => event.preventDefault());
