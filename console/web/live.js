// The one stream of a browser: a shared worker that all tabs speak to. A tab says at which address it is, and gets the
// news of that page; tabs that are hidden or closed are forgotten.
"use strict";
const tabs = new Map(); // port → address
let stream = null;
let open = "";
let timer = 0;

function send(message, address) {
  for (const [port, at] of tabs) if (address === undefined || at === address) port.postMessage(message);
}

function connect() {
  const addresses = [...new Set(tabs.values())].sort();
  const query = addresses.map((at) => "at=" + encodeURIComponent(at)).join("&");
  if (query === open && stream && stream.readyState !== EventSource.CLOSED) return;
  if (stream) stream.close();
  stream = null;
  open = query;
  if (!query) return;
  stream = new EventSource("/console/live?" + query);
  stream.addEventListener("open", () => send({ event: "open" }));
  stream.addEventListener("error", () => send({ event: stream && stream.readyState === EventSource.CLOSED ? "refused" : "lost" }));
  stream.addEventListener("ended", () => send({ event: "ended" }));
  stream.addEventListener("part", (e) => {
    const part = JSON.parse(e.data);
    send({ event: "part", html: part.html }, part.at);
  });
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(connect, 50); // tabs that come and go at once are one change
}

onconnect = (e) => {
  const port = e.ports[0];
  port.onmessage = ({ data }) => {
    if (data.at) tabs.set(port, data.at);
    else tabs.delete(port);
    later();
  };
};
