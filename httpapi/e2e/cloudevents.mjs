// Tells of usage by the npm package cloudevents in all modes: node cloudevents.mjs URL KEY
import assert from "node:assert/strict";
import { CloudEvent, HTTP } from "cloudevents";

const [url, key] = process.argv.slice(2);

// post sends a message of the package and returns the answer.
async function post(message) {
  const res = await fetch(url + "/v1/events", {
    method: "POST",
    headers: { ...message.headers, authorization: "Bearer " + key },
    body: message.body,
  });
  return { status: res.status, body: await res.json() };
}

// made is an event of the package. Most of what it may have is left to the package's defaults.
const made = (id, amount, more = {}) =>
  new CloudEvent({
    id,
    source: "https://mailer.example/eu",
    type: "emails_sent",
    subject: "acme",
    data: { amount, unit: "mails", campaign: "spring & ü" },
    tier: 2,
    ...more,
  });

const one = made("one", 3);
for (const want of ["recorded", "duplicate"]) {
  const { status, body } = await post(HTTP.structured(one));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.items[0].status, want);
  assert.equal(body.items[0].event_id, "https://mailer.example/eu one");
}
assert.equal((await post(HTTP.binary(one))).body.items[0].status, "duplicate", "the same event in binary mode");

const two = made("two", 4, { datacontenttype: "application/json; charset=utf-8" });
for (const want of ["recorded", "duplicate"]) {
  const { status, body } = await post(HTTP.binary(two));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.items[0].status, want);
}

// The package reads batches and leaves writing them to who sends them: a list of events as JSON.
const batch = (events) =>
  post({ headers: { "content-type": "application/cloudevents-batch+json; charset=utf-8" }, body: JSON.stringify(events) });
const answers = await batch([one, made("three", 5), made("four", 1, { subject: "somebody-else" }), made("five", -1)]);
assert.equal(answers.status, 200);
assert.deepEqual(
  answers.body.items.map((item) => item.code ?? item.status),
  ["duplicate", "recorded", "not_found", "validation_failed"],
);
assert.equal(answers.body.items[3].errors[0].field, "data.amount");

const refused = await post(HTTP.structured(made("six", 1, { data_base64: "AAAA", data: undefined })));
assert.equal(refused.status, 422);
assert.equal(refused.body.errors[0].field, "data_base64");

const sum = await (await fetch(url + "/v1/tenants/me/usage", { headers: { authorization: "Bearer " + key } })).json();
assert.equal(sum.meters.emails_sent.total, 12);
assert.equal(sum.meters.emails_sent.count, 3);
assert.equal(sum.meters.emails_sent.unit, "mails");
console.log("structured, binary and batch are counted once each");
