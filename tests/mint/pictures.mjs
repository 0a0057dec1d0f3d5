// URLs of pictures as filestack-js (`Filelink`) and filestack-adaptive (`picture`) write them: each must be answered by what it asks for.
// Adaptive is taken by its modules, because its main one also defines an element, which needs a browser.
import assert from 'node:assert/strict';
import * as filestack from 'filestack-js';
import DOM from 'filestack-adaptive/build/main/adapters/DOM.js';
import tree from 'filestack-adaptive/build/main/tree.js';
import { KEY, SECRET, SECURITY, expiry } from './check.mjs';

const { ORIGIN, PICTURE } = process.env;
const CNAME = 'fs.localhost';
const AT_ONCE = 4;

const security = SECURITY === 'off' ? undefined : filestack.getSecurity({ expiry, call: ['read', 'convert', 'store'] }, SECRET);

const JPEG = 'image/jpeg';
const JSON_TYPE = 'application/json';
const BOXES = [[0, 0, 40, 40], [100, 90, 10_000, 10_000]];

/** Chains of tasks, each with the type of its result if that is not the type of the source. */
const chains = [
  // Geometry.
  [(link) => link.resize({ width: 100 })],
  [(link) => link.resize({ height: 60.4, width: 0 })],
  [(link) => link.resize({ width: 300, height: 50, fit: 'max' })],
  [(link) => link.resize({ width: 300, height: 50, fit: 'scale' })],
  [(link) => link.resize({ width: 300, height: 50, fit: 'clip', align: 'center' })],
  [(link) => link.resize({ width: 80, height: 120, fit: 'crop', align: 'faces' })],
  [(link) => link.resize({ width: 80, height: 120, fit: 'crop', align: ['bottom', 'right'] })],
  [(link) => link.crop({ dim: [10, 20, 100, 50] })],
  [(link) => link.crop({ dim: [150, 150, 100_000, 100_000] })],
  [(link) => link.rotate({ deg: 'exif' })],
  [(link) => link.rotate({ deg: 0, exif: false })],
  [(link) => link.rotate({ deg: 359, background: 'FF0000' })],
  [(link) => link.rotate({ exif: true })],
  [(link) => link.flip().flop()],
  [(link) => link.smartCrop({ width: 90, height: 120 })],
  [(link) => link.smartCrop({ width: 90, height: 120, mode: 'face' })],
  [(link) => link.imagesize(), JSON_TYPE],
  // Faces.
  [(link) => link.detectFaces(true)],
  [(link) => link.detectFaces({ minsize: 0.25, maxsize: 0.55, color: 'red' })],
  [(link) => link.detectFaces({ export: true }), JSON_TYPE],
  [(link) => link.cropFaces(true)],
  [(link) => link.cropFaces({ mode: 'crop', faces: 'all' })],
  [(link) => link.cropFaces({ mode: 'fill', faces: [1, 2], width: 60, height: 90, buffer: 300 })],
  [(link) => link.pixelateFaces(true)],
  [(link) => link.pixelateFaces({ faces: 1, amount: 2, blur: 0, type: 'oval', buffer: 10_000, minsize: 0, maxsize: 10_000 })],
  [(link) => link.blurFaces({ faces: [1], amount: 9.5, blur: 20, type: 'rect' })],
  [(link) => link.redeye()],
  // Borders and effects.
  [(link) => link.roundedCorners(true)],
  [(link) => link.roundedCorners({ radius: 'max', blur: 20, background: 'lightblue' })],
  [(link) => link.roundedCorners({ radius: 10_000, blur: 0 })],
  [(link) => link.circle(true)],
  [(link) => link.circle({ background: '0F0' })],
  [(link) => link.border(true)],
  [(link) => link.border({ width: 0, color: 'FF0000', background: 'red' })],
  [(link) => link.border({ width: 200 })],
  [(link) => link.polaroid(true)],
  [(link) => link.polaroid({ color: 'ivory', rotate: 359, background: 'EEEEEE' })],
  [(link) => link.tornEdges(true)],
  [(link) => link.tornEdges({ spread: [5, 10_000], background: 'blue' })],
  [(link) => link.shadow(true)],
  [(link) => link.shadow({ blur: 20, opacity: 0, vector: [-300, 300], color: 'navy', background: 'white' })],
  [(link) => link.vignette(true)],
  [(link) => link.vignette({ amount: 100, blurmode: 'linear', background: 'black' })],
  // Filters.
  ...['sharpen', 'blur'].flatMap((name) => [true, { amount: 0 }, { amount: 20 }].map((given) => [(link) => link[name](given)])),
  ...['pixelate', 'oilPaint'].flatMap((name) => [true, { amount: 2 }, { amount: 100 }].map((given) => [(link) => link[name](given)])),
  [(link) => link.monochrome()],
  [(link) => link.negative()],
  ...[true, { threshold: 0 }, { threshold: 100 }].map((given) => [(link) => link.blackwhite(given)]),
  ...[true, { tone: 0 }, { tone: 100 }].map((given) => [(link) => link.sepia(given)]),
  [(link) => link.modulate(true)],
  [(link) => link.modulate({ brightness: 10_000, hue: 359, saturation: 0 })],
  [(link) => link.partialPixelate({ objects: BOXES })],
  [(link) => link.partialPixelate({ objects: [BOXES[0]], amount: 100, blur: 0, type: 'oval' })],
  [(link) => link.partialBlur({ objects: BOXES, amount: 20, blur: 20, type: 'rect' })],
  // Combination.
  [(link) => link.watermark({ file: PICTURE })],
  [(link) => link.watermark({ file: PICTURE, size: 25, position: ['bottom', 'right'] })],
  [(link) => link.watermark({ file: PICTURE, size: 500, position: 'top' })],
  [(link) => link.collage({ files: [PICTURE], width: 200, height: 100 })],
  [(link) => link.collage({ files: [PICTURE, PICTURE, PICTURE], width: 300, height: 200, margin: 1, color: 'green', fit: 'crop', autorotate: true })],
  // Enhancement.
  [(link) => link.enhance()],
  ...Object.values(filestack.EnhancePreset).map((preset) => [(link) => link.enhance({ preset })]),
  [(link) => link.upscale(true)],
  ...['low', 'medium', 'high'].map((noise) => [(link) => link.upscale({ noise, upscale: false, style: 'artwork' })]),
  [(link) => link.ascii(true), 'text/html'],
  [(link) => link.ascii({ foreground: 'red', background: 'black', colored: true, size: 10, reverse: true }), 'text/html'],
  // Weight and encoding.
  [(link) => link.quality({ value: 1 })],
  [(link) => link.quality({ value: 100 })],
  [(link) => link.compress()],
  // Its validator refuses what its types allow.
  [(link) => link.setUseValidator(false).compress({ metadata: true })],
  [(link) => link.noMetadata()],
  [(link) => link.autoImage()],
  [(link) => link.pjpg(true)],
  [(link) => link.pjpg({ quality: 0, metadata: true })],
  ...[['jpg', JPEG], ['pjpg', JPEG], ['png', 'image/png'], ['webp', 'image/webp'], ['svg', 'image/svg+xml'], ['pdf', 'application/pdf']].map(
    ([format, type]) => [(link) => link.output({ format }), type],
  ),
  [(link) => link.output({ quality: 80 })],
  [(link) => link.output({ format: 'jpg', quality: 'input', colorspace: 'cmyk', density: 300, strip: true, background: 'white' })],
  [(link) => link.output({ format: 'png', compress: true, page: 1, secure: true, colorspace: 'input' }), 'image/png'],
  // Around the others, and together.
  [(link) => link.resize({ width: 31 }).cache(false)],
  [(link) => link.resize({ width: 32 }).cache({ expiry: 60 })],
  [(link) => link.resize({ width: 33 }).fallback({ handle: PICTURE, cache: 60 })],
  [(link) => link.resize({ width: 34 }).store(true), JSON_TYPE],
  [(link) => link.resize({ width: 35 }).store({ filename: 'small picture.jpg', path: 'a/b/', access: 'private' }), JSON_TYPE],
  [(link) => link.resize({ width: 100 }).sepia({ tone: 50 }).roundedCorners({ radius: 20 }).output({ format: 'webp', quality: 60 }), 'image/webp'],
  [(link) => link.cropFaces({ buffer: 100 }).circle(true).border({ width: 3 }).quality({ value: 70 }).compress()],
  [(link) => link.output({ format: 'png' }).circle(true).shadow(true).polaroid({ rotate: 10 }), 'image/png'],
  [(link) => link.resize({ width: 50 }).imagesize(), JSON_TYPE],
];

/** Whatever the source is, a chain gives the same. */
const onElsewhere = [
  [(link) => link.resize({ width: 70 })],
  [(link) => link.watermark({ file: `${ORIGIN}/face.jpg`, size: 40 }).blackwhite(true)],
  [(link) => link.collage({ files: [`${ORIGIN}/face.jpg`, PICTURE], width: 120, height: 90 })],
  [(link) => link.output({ format: 'webp' }).autoImage(), 'image/webp'],
];

const asked = [];

function ask(url, type, same) {
  asked.push({ url, type, same });
}

/** Both forms of a URL; they mean the same, so they lead to one result. */
function askBoth(source, key, [chain, type = JPEG]) {
  const write = (base64) => {
    const link = new filestack.Filelink(source, key).setCname(CNAME).setBase64(base64);
    return chain(security ? link.security(security) : link).toString();
  };
  const plain = write(false);
  ask(plain, type);
  ask(write(true), type, type === JSON_TYPE ? undefined : plain);
}

chains.forEach((chain) => askBoth(PICTURE, undefined, chain));
for (const source of [`${ORIGIN}/face.jpg?size=a,b`, 'src://archive/the face.jpg']) {
  onElsewhere.forEach((chain) => askBoth(source, KEY, chain));
}
const frames = [PICTURE, PICTURE, PICTURE];
for (const given of [{}, { delay: 100, loop: 3, width: 64, height: 48, fit: 'crop', align: 'top', background: 'black' }]) {
  askBoth(frames, undefined, [(link) => link.animate(given), 'image/gif']);
}

/** The URLs of a picture element: `src`, and each member of a `srcset` with the type of its source. */
function askAdaptive(source, options) {
  const element = tree.makePictureTree(source, { alt: 'a face', cname: CNAME, security, ...options });
  const page = DOM.makePicture(element).toString().replaceAll('&quot;', '"');
  const members = (list = '') => list.split(', ').map((member) => member.split(' ')[0]);
  ask(element.img.src, JPEG);
  for (const { srcSet, type = JPEG } of [element.img, ...(element.sources ?? [])]) {
    for (const url of members(srcSet).filter(Boolean)) {
      assert.ok(page.includes(url), page);
      ask(url, type === 'image/jpg' ? JPEG : type);
    }
  }
}

askAdaptive(PICTURE, {});
askAdaptive(PICTURE, { sizes: { fallback: '60vw' }, resolutions: [180, 360, 540] });
askAdaptive(PICTURE, { width: '100px' });
askAdaptive(PICTURE, { width: '64px', resolutions: ['1x', '2x', '3x'], transforms: { sepia: true } });
askAdaptive(PICTURE, { formats: ['webp', 'jpg'] });
askAdaptive(PICTURE, {
  formats: ['webp', 'png', 'jpg'],
  sizes: { '(min-width: 640px)': '80vw', '(min-width: 320px)': '300px', fallback: '90px' },
  resolutions: [90, '120w'],
  useValidator: true,
  transforms: { quality: { value: 5 }, blur: { amount: 3 }, rounded_corners: { radius: 10 }, crop: { dim: [0, 0, 150, 150] } },
});
for (const srcHandle of [`${ORIGIN}/face.jpg`, 'src://archive/the%20face.jpg']) {
  askAdaptive({ srcHandle, apiKey: KEY }, { sizes: { fallback: '100vw' }, resolutions: [40, 80], formats: ['webp'] });
}

const tags = new Map();
const wrong = [];

async function check({ url, type, same }) {
  const response = await fetch(url);
  const body = Buffer.from(await response.arrayBuffer());
  const found = (response.headers.get('content-type') ?? '').split(';')[0];
  const report = `${response.status} ${found} ${url}`;
  if (SECURITY === 'expired') {
    return response.status === 403 && /expired/.test(body) ? [] : [report];
  }
  if (response.status !== 200 || found !== type || body.length === 0) {
    return [`${report}\n    wanted ${type}; ${body.subarray(0, 300)}`];
  }
  tags.set(url, response.headers.get('etag'));
  return same && tags.has(same) && tags.get(same) !== tags.get(url) ? [`${report}\n    is not what ${same} is`] : [];
}

const waiting = asked.values();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (const request of waiting) {
    wrong.push(...(await check(request)));
  }
}));
assert.equal(wrong.length, 0, `${wrong.length} of ${asked.length} URLs:\n${wrong.join('\n')}`);
console.log(`${asked.length} URLs`);
