// Uppy with its tus plugin, as a page bundles it.
import Uppy from '@uppy/core';
import Tus from '@uppy/tus';
import { MIB, bytes, check, same } from './page-check.mjs';

window.run = async ({ key, security }) => {
  const allow = async (...call) => (security === 'off' ? '' : `&${new URLSearchParams(await window.sign(...call))}`);
  const endpoint = `https://upload.fs.localhost/tus/?key=${key}${await allow('pick')}`;

  async function upload(name, content, options, meanwhile = () => {}) {
    const uppy = new Uppy({ autoProceed: false }).use(Tus, { endpoint, retryDelays: null, ...options });
    uppy.addFile({ name: 'Ünï côdé.bin', type: 'application/x-mint', data: new File([content], 'Ünï côdé.bin') });
    meanwhile(uppy);
    const seen = [];
    uppy.on('upload-progress', (_, progress) => seen.push(progress.bytesUploaded));
    const { successful, failed } = await uppy.upload();
    if (security === 'expired') {
      check(successful.length === 0 && failed.length === 1, `${name} was done with an expired policy`);
      check(/403/.test(failed[0].error) && /expired/i.test(failed[0].error), `${name}: ${failed[0].error}`);
      return;
    }
    check(failed.length === 0, `${name}: ${failed[0]?.error}`);
    check(seen.at(-1) === content.length, `${name}: progress ${seen}`);
    const { handle } = await (await fetch(successful[0].uploadURL)).json();
    const read = await fetch(`https://www.fs.localhost/api/file/${handle}?key=${key}${await allow('read')}`);
    check(await same(await read.blob(), content), `${name}: the bytes come back`);
    const metadata = await (await fetch(`https://www.fs.localhost/api/file/${handle}/metadata?key=${key}${await allow('stat')}`)).json();
    check(metadata.filename === 'Ünï côdé.bin' && metadata.mimetype === 'application/x-mint', JSON.stringify(metadata));
  }

  const content = bytes(9 * MIB + 5);
  await upload('in one go', content, {});
  await upload('in chunks, paused and resumed', content, { chunkSize: 2 * MIB }, (uppy) => {
    let paused = false;
    uppy.on('upload-progress', (_, { bytesUploaded }) => {
      if (!paused && bytesUploaded > 0) {
        paused = true;
        uppy.pauseAll();
        setTimeout(() => uppy.resumeAll(), 100);
      }
    });
  });
  await upload('in parallel', content, { parallelUploads: 3 });
};
