// filestack-js as a page loads it, from its own build for browsers.
/* global filestack, sign */
import { MIB, bytes, check, same } from './page-check.mjs';

window.run = async ({ key, security, handle, elsewhere }) => {
  const client = filestack.init(key, { cname: 'fs.localhost' });
  const allow = async (...call) => (security === 'off' ? undefined : sign(...call));
  let uploadError;
  client.on('upload.error', (error) => (uploadError = error));

  async function doing(name, run) {
    uploadError = undefined;
    if (security !== 'expired') {
      return run().catch((error) => {
        throw new Error(`${name}: ${error.stack} ${JSON.stringify(uploadError?.details ?? error.response ?? error)}`);
      });
    }
    const error = await run().then(() => check(false, `${name} was done with an expired policy`), (error) => error);
    const { status, data } = error.response ?? { status: uploadError?.details?.code, data: uploadError?.details?.data };
    check(status === 403, `${name}: ${status} ${error.stack}`);
    const text = data instanceof Blob ? await data.text() : JSON.stringify(data);
    check(/expired/i.test(text), `${name}: ${text}`);
  }

  async function comesBack(name, stored, content) {
    if (stored) {
      check(stored.status === 'Stored' && stored.size === content.length, `${name}: ${JSON.stringify(stored)}`);
      const { data } = await client.download(stored.handle, await allow('read'));
      check(await same(data, content), `${name}: the bytes come back`);
    }
  }

  const content = bytes(16 * MIB);
  const file = new File([content], 'Ünï côdé.bin');

  // Paused before the last of four parts, and resumed.
  const seen = [];
  const token = {};
  let paused;
  const options = {
    concurrency: 1,
    partSize: 5 * MIB,
    progressInterval: 5,
    retry: 1,
    onProgress: ({ totalPercent }) => {
      seen.push(totalPercent);
      if (totalPercent > 0 && !paused) {
        token.pause();
        paused = new Promise((resolve) => setTimeout(resolve, 500));
        paused.then(() => {
          seen.push('resumed');
          token.resume();
        });
      }
    },
  };
  const pick = await allow('pick');
  const stored = await doing('upload', () => client.upload(file, options, { path: 'from a page/' }, token, pick));
  await comesBack('upload', stored, content);
  if (stored) {
    check(stored.filename === 'Ünï côdé.bin', stored.filename);
    const resumed = seen.indexOf('resumed');
    check(resumed > 0 && seen[resumed - 1] < 100, `the pause was one: ${seen}`);
    check(seen.every((percent, at) => at === 0 || !(percent < seen[at - 1])), `progress goes forwards: ${seen}`);
  }
  const small = bytes(70_000);
  const whole = await doing('intelligent upload', () => client.upload(new Blob([small]), { intelligent: true, retry: 1 }, { filename: 'b' }, undefined, pick));
  await comesBack('intelligent upload', whole, small);

  const stat = await allow('stat');
  const metadata = await doing('metadata', () => client.metadata(stored?.handle ?? handle, { size: true, filename: true }, stat));
  check(!metadata || (metadata.size === content.length && metadata.filename === 'Ünï côdé.bin'), JSON.stringify(metadata));
  const read = await allow('read');
  await doing('download', () => client.download(handle, read));
  const settings = await doing('prefetch', async () => {
    const asking = filestack.init(key, { cname: 'fs.localhost', security: pick });
    return asking.prefetch({ permissions: ['intelligent_ingestion'] });
  });
  check(!settings || settings.permissions.intelligent_ingestion, JSON.stringify(settings));
  const remove = await sign('remove');
  await doing('remove', () => client.remove(handle, remove));

  // What a page without any library sees of an answer.
  if (stored && security === 'off') {
    const answer = await fetch(stored.url, { headers: { Range: 'bytes=0-9' } });
    check(answer.status === 206, String(answer.status));
    for (const name of ['ETag', 'Content-Range', 'Content-Disposition', 'X-File-Name']) {
      check(answer.headers.get(name), `${name} is exposed`);
    }
    // An app that lists the origins it may be used from, and this page is of none of them.
    const foreign = filestack.init(elsewhere, { cname: 'fs.localhost' });
    const refused = await foreign.upload(new Blob([small]), { retry: 1, retryMaxTime: 1 }, { filename: 'c' }).then(() => 'stored', () => 'refused');
    check(refused === 'refused', 'an app of other origins takes no file of this page');
  }
};
