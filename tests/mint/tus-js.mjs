// tus-js-client on Node: everything it can speak, each file read back.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import * as filestack from 'filestack-js';
import * as tus from 'tus-js-client';
import { KEY, SECRET, SECURITY, MIB, bytes, expiry, step } from './check.mjs';
import { cutOnce, wasCut } from './reach.mjs';

/** `&policy=…&signature=…` where the app wants one. */
function allow(...call) {
  return SECURITY === 'off' ? '' : `&${new URLSearchParams(filestack.getSecurity({ expiry, call }, SECRET))}`;
}

const endpoint = `https://upload.fs.localhost/tus/?key=${KEY}${allow('pick')}`;

function upload(content, options = {}, meanwhile = () => {}) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(content, {
      endpoint,
      retryDelays: null,
      metadata: { filename: 'Ünï côdé.bin', filetype: 'application/x-mint', more: 'than needed' },
      onSuccess: ({ lastResponse }) => resolve(lastResponse),
      onError: reject,
      ...options,
      onChunkComplete: () => meanwhile(upload, resolve),
    });
    upload.start();
  });
}

async function stored(name, content, run) {
  const answer = await step(`tus-js-client: ${name}`, run, (error) => ({
    status: error.originalResponse?.getStatus(),
    text: error.originalResponse?.getBody(),
  }));
  if (!answer) {
    return;
  }
  const handle = answer.getHeader('Stowage-Handle');
  assert.match(handle ?? 'none', /^[A-Za-z0-9]{20}$/, `${name}: ${answer.getStatus()}`);
  assert.equal(answer.getHeader('Stowage-Url'), `https://cdn.fs.localhost/${handle}`, name);
  const read = await fetch(`https://www.fs.localhost/api/file/${handle}?key=${KEY}${allow('read')}`);
  assert.equal(read.status, 200, name);
  assert.ok(Buffer.from(await read.arrayBuffer()).equals(content), `${name}: the bytes come back`);
  const metadata = await fetch(`https://www.fs.localhost/api/file/${handle}/metadata?key=${KEY}${allow('stat')}`);
  const { filename, mimetype } = await metadata.json();
  assert.deepEqual([filename, mimetype], ['Ünï côdé.bin', 'application/x-mint'], name);
}

/** Aborts after the first chunk, and goes on with another client object that knows the URL only. */
async function interrupted(content, options) {
  const url = await upload(content, options, (upload, resolve) => upload.abort().then(() => resolve(upload.url)));
  return typeof url === 'string' ? upload(content, { ...options, uploadUrl: url }) : url;
}

const small = bytes(70_000);
const large = bytes(9 * MIB + 5);
const nothing = Buffer.alloc(0);

for (const [protocol, options] of Object.entries({
  'tus 1.0': {},
  'draft 03': { protocol: 'ietf-draft-03' },
  'draft 05': { protocol: 'ietf-draft-05' },
})) {
  await stored(`${protocol}: in one go`, large, () => upload(large, options));
  await stored(`${protocol}: in chunks`, large, () => upload(large, { ...options, chunkSize: 4 * MIB }));
  await stored(`${protocol}: resumed after an abort`, large, () => interrupted(large, { ...options, chunkSize: 4 * MIB }));
  cutOnce(3 * MIB);
  await stored(`${protocol}: resumed after a cut`, large, () => upload(large, { ...options, retryDelays: [0, 100, 1000] }));
  assert.equal(wasCut(), SECURITY !== 'expired', protocol);
  await stored(`${protocol}: with the creation`, small, () => upload(small, { ...options, uploadDataDuringCreation: true }));
  await stored(`${protocol}: nothing`, nothing, () => upload(nothing, options));
}

const parallel = { parallelUploads: 3, metadataForPartialUploads: { filename: 'a piece' } };
await stored('in parallel', large, () => upload(large, parallel));
await stored('of unknown length', large, () =>
  upload(Readable.from([large.subarray(0, MIB), large.subarray(MIB)]), { uploadLengthDeferred: true, chunkSize: 4 * MIB }),
);

if (SECURITY !== 'expired') {
  const aborted = await upload(large, { chunkSize: MIB }, (upload, resolve) => upload.abort(true).then(() => resolve(upload.url)));
  const gone = await upload(large, { uploadUrl: aborted, endpoint: null }).catch((error) => error);
  assert.equal(gone.originalResponse?.getStatus(), 404, `terminated: ${gone}`);
}
