// filestack-js on Node: every call of the SDK that the server answers, with policies of that one call.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import * as filestack from 'filestack-js';
import { KEY, SECRET, SECURITY, MIB, bytes, expiry, step } from './check.mjs';
import { cutOnce, wasCut } from './reach.mjs';

const client = filestack.init(KEY, { cname: 'fs.localhost' });
// Deprecation notices of the SDK.
console.info = () => {};

const sign = (...call) => filestack.getSecurity({ expiry, call }, SECRET);
/** Of calls that are free as long as the app has no security. */
const allow = (...call) => (SECURITY === 'off' ? undefined : sign(...call));

// A failed upload rejects with the file; what went wrong is told by an event.
let uploadError;
client.on('upload.error', (error) => (uploadError = error));

function refusalOf(error) {
  const { status, data } = error.response ?? { status: uploadError?.details?.code, data: uploadError?.details?.data };
  uploadError = undefined;
  return { status, text: JSON.stringify(data) };
}

const doing = (name, run) => step(`filestack-js: ${name}`, run, refusalOf);

async function upload(name, content, options, store = {}) {
  const stored = await doing(name, () => client.upload(content, { retry: 1, ...options }, store, undefined, allow('pick')));
  if (!stored) {
    return;
  }
  assert.equal(stored.status, 'Stored', name);
  assert.match(stored.handle, /^[A-Za-z0-9]{20}$/, name);
  assert.equal(stored.url, `https://cdn.fs.localhost/${stored.handle}`, name);
  const expected = Buffer.isBuffer(content) ? content : content.file ?? content;
  const { data } = await client.download(stored.handle, allow('read'));
  assert.ok(Buffer.from(data).equals(expected), `${name}: the bytes come back`);
  return stored;
}

const WORKFLOW = '6a8a12e2-1ff6-4b21-98f6-0e9d9b7b2d53';
const seen = [];
const small = bytes(70_000);
const parts = bytes(9 * MIB + 17);
const large = bytes(20 * MIB);

// Every way to upload.
const first = await upload(
  'upload',
  { file: small, name: 'Ünï côdé.bin' },
  { tags: { album: 'süd' }, onProgress: (progress) => seen.push(progress.totalPercent), progressInterval: 5 },
  { path: 'in/the/folder/', altText: 'a description', workflows: [WORKFLOW], filename: (file) => `given ${file.name}` },
);
if (first) {
  assert.equal(first.filename, 'given Ünï côdé.bin');
  assert.deepEqual(first.uploadTags, { album: 'süd' });
  assert.ok(first.key.startsWith('in/the/folder/'), first.key);
  assert.ok(seen.length > 0);
}
await upload('upload in parts', parts, {});
await upload('upload in parts without MD5', parts, { disableIntegrityCheck: true, partSize: 5 * MIB });
await upload('intelligent upload', large, { intelligent: true });
await upload('intelligent upload of one part', small, { intelligent: true });
await upload('upload that could fall back', parts, { intelligent: 'fallback' });
for (const [mode, intelligent] of [['plain', undefined], ['intelligent', true], ['falling back', 'fallback']]) {
  cutOnce(3 * MIB);
  await upload(`${mode} upload that is cut`, parts, { intelligent });
  assert.equal(wasCut(), SECURITY !== 'expired', mode);
}
const path = `${process.cwd()}/from a path.txt`;
writeFileSync(path, 'from a path');
const several = await doing('multiupload', async () => {
  const files = await client.multiupload([{ file: bytes(9 * MIB), name: 'a.bin' }, path], { retry: 1 }, {}, undefined, allow('pick'));
  // It never rejects.
  if (files.some((file) => file.status === 'Failed')) {
    throw files;
  }
  return files;
});
if (several) {
  assert.deepEqual(several.map((file) => [file.filename, file.status]), [['a.bin', 'Stored'], ['from a path.txt', 'Stored']]);
}

// A file that no call above needed a policy for: the operator's.
const handle = first?.handle ?? process.env.HANDLE;

const { ORIGIN } = process.env;
const storing = filestack.init(KEY, { cname: 'fs.localhost' });
const fetched = await doing('storeURL', () =>
  storing.storeURL(`${ORIGIN}/plain.txt?a=b,c`, { filename: 'fetched.txt', path: 'urls/' }, {}, allow('store'), { from: 'origin' }),
);
if (fetched) {
  assert.equal(fetched.filename, 'fetched.txt');
  assert.equal(fetched.mimetype, 'text/plain');
  assert.deepEqual(fetched.uploadTags, { from: 'origin' });
  const secret = await storing.storeURL(`${ORIGIN}/secret`, {}, {}, allow('store'), undefined, { 'X-Secret': 'sesame' }, [WORKFLOW]);
  const { data } = await client.download(secret.handle, allow('read'));
  assert.equal(Buffer.from(data).toString(), 'only with the header');
}

const metadata = await doing('metadata', () =>
  client.metadata(handle, { size: true, mimetype: true, filename: true, uploaded: true, writeable: true, md5: true, sha256: true }, allow('stat')),
);
if (metadata) {
  assert.equal(metadata.size, small.length);
  assert.equal(metadata.filename, 'given Ünï côdé.bin');
  assert.equal(metadata.handle, handle);
  assert.equal(typeof metadata.uploaded, 'number');
  assert.match(metadata.sha256, /^[0-9a-f]{64}$/);
}

// Stands for itself above; here it is refused.
await doing('download', () => client.download(handle, allow('read')));
const headers = await doing('retrieve with head', () => client.retrieve(handle, { head: true }, allow('read')).catch(bodyless));
if (headers) {
  assert.equal(headers['content-length'], String(small.length));
}
const described = await doing('retrieve with metadata', () => client.retrieve(handle, { metadata: true }, allow('stat')));
if (described) {
  assert.equal(described.size, small.length);
}
const typed = await doing('retrieve with extension', () => client.retrieve(handle, { extension: 'txt' }, allow('read')));
if (typed) {
  assert.ok(typed.length > 0);
}

const settings = await doing('prefetch', () => {
  const asking = filestack.init(KEY, { cname: 'fs.localhost', security: allow('pick') });
  return asking.prefetch({ permissions: ['intelligent_ingestion'], pickerOptions: { maxFiles: 2, onFileSelected: () => 'kept' } });
});
if (settings) {
  assert.equal(settings.permissions.intelligent_ingestion, true);
  assert.equal(settings.blocked, false);
  assert.equal(settings.pickerOptions.maxFiles, 2);
  assert.equal(settings.pickerOptions.onFileSelected(), 'kept');
}

// These need a policy in every app.
const deleted = await doing('removeMetadata', () => client.removeMetadata(handle, sign('remove')));
if (deleted) {
  const gone = await client.metadata(handle, undefined, allow('stat')).catch((error) => error);
  assert.equal(gone.response?.status, 404);
}
await doing('remove', () => client.remove(several?.[0].handle ?? handle, sign('remove')));
if (several) {
  const gone = await client.download(several[0].handle, allow('read')).catch((error) => error);
  assert.equal(gone.response?.status, 404);
}

/** An answer to HEAD has no text to read. */
function bodyless(error) {
  if (error.response?.status === 403) {
    error.response.data = 'expired';
  }
  throw error;
}
