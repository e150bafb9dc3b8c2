import { expect, test } from 'vitest';
import type { Signature } from '../../../src/base/ids.ts';
import { STATE_RECORD_LENGTH_MAX } from '../../../src/base/limits.ts';
import type { RegisterObject } from '../../../src/shards/operations/register-object.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { idOf, memberAt, nodeId, Objects, registration, segmentAt, shapeOf } from '../objects.ts';
import { ownerOf } from '../world.ts';

const SHAPE = shapeOf(3);
const good = registration('ann', 'cat', SHAPE);
const id = idOf('ann', 'cat');

const register = (action: RegisterObject, homes = new Objects(), sender = 'ann'): string | undefined =>
  homes.do(sender, 'register-object', action);

test('an object is on the chain with its manifest, and each segment with roots and holders', () => {
  const homes = new Objects();
  expect(register(good, homes)).toBeUndefined();
  expect(homes.object(id)).toMatchObject({
    owner: ownerOf('ann'),
    shape: SHAPE,
    registered: 3,
    expiresAtMs: null,
    isLeaving: false,
    manifest: { digest: good.manifest.digest, holders: [0, 1].map(nodeId) },
  });
  expect(homes.segments(id)).toEqual(
    good.segments.map(({ salt, roots, holders }) => ({ salt, roots, holders })),
  );
  expect(register(good, homes)).toBe('already-exists');
});

test('what travels to the object has no signatures', () => {
  const homes = new Objects();
  homes.act('ann', 'register-object', good);
  const [message] = homes.waiting;
  expect(JSON.stringify(message!.payload)).not.toContain('confirmations');
});

test('an inline object has its manifest and no segments', () => {
  const shape = shapeOf(1, { isInline: true, lengthBytes: 4096 });
  const homes = new Objects();
  expect(register(registration('ann', 'note', shape), homes)).toBeUndefined();
  expect(homes.object(idOf('ann', 'note'))).toMatchObject({ shape, registered: 0 });
});

test('a public object has no key', () => {
  const shape = shapeOf(1, { isEncrypted: false });
  expect(register(registration('ann', 'page', shape))).toBeUndefined();
});

test('nobody registers an object of another', () => {
  expect(register(good, new Objects(), 'bob')).toBe('invalid-argument');
});

test('an object that would have expired is not registered', () => {
  const homes = new Objects();
  expect(register({ ...good, expiresAtMs: homes.timeMs - 1 }, homes)).toBe('expired');
  expect(register({ ...good, expiresAtMs: homes.timeMs }, homes)).toBeUndefined();
});

const [first, ...rest] = good.segments;
const { confirmations } = good.manifest;
const forged = new Uint8Array(64) as Signature;

test.each<[string, Partial<RegisterObject>]>([
  [
    'a segment with fewer confirmations than its code wants',
    { segments: [{ ...first!, confirmations: first!.confirmations.slice(1) }, ...rest] },
  ],
  [
    'a segment with more confirmations than its code wants',
    {
      segments: [
        { ...first!, confirmations: [...first!.confirmations, { pieceIndex: 3, signature: forged }] },
        ...rest,
      ],
    },
  ],
  [
    'one holder counted twice',
    { segments: [{ ...first!, confirmations: first!.confirmations.with(1, first!.confirmations[0]!) }] },
  ],
  [
    'a confirmation that its holder did not sign',
    {
      segments: [
        { ...first!, confirmations: first!.confirmations.with(0, { pieceIndex: 0, signature: forged }) },
      ],
    },
  ],
  ['segments in another order', { segments: [good.segments[1]!, first!] }],
  [
    'fewer pieces than the code makes',
    { segments: [{ ...first!, roots: first!.roots.slice(1), holders: first!.holders.slice(1) }] },
  ],
  ['a holder that is no member', { segments: [{ ...first!, holders: first!.holders.with(3, nodeId(9)) }] }],
  ['a holder of two pieces', { segments: [{ ...first!, holders: first!.holders.with(3, nodeId(0)) }] }],
  [
    'a certificate for another length',
    { shape: { ...SHAPE, lengthBytes: SHAPE.lengthBytes - 1_000_000 }, segments: [segmentAt(id, SHAPE, 2)] },
  ],
  [
    'a manifest with too few copies',
    { manifest: { ...good.manifest, confirmations: confirmations.slice(1) } },
  ],
  [
    'one copy of the manifest counted twice',
    { manifest: { ...good.manifest, confirmations: confirmations.with(1, confirmations[0]!) } },
  ],
  [
    'a copy of the manifest that its holder did not sign',
    { manifest: { ...good.manifest, confirmations: confirmations.with(0, [confirmations[0]![0], forged]) } },
  ],
  [
    'a copy of the manifest with nobody',
    {
      manifest: { ...good.manifest, confirmations: confirmations.with(0, [nodeId(9), confirmations[0]![1]]) },
    },
  ],
  ['another length of the manifest', { manifest: { ...good.manifest, lengthBytes: 901 } }],
])('%s is no availability', (_what, change) => {
  expect(register({ ...good, ...change })).toBe('invalid-certificate');
});

test('pieces are with different operators, unless the network is a trial', () => {
  const members = [0, 1, 2, 3, 4].map((index) => memberAt(index, `operator ${index % 4}`));
  expect(register(good, new Objects(members))).toBe('invalid-certificate');
  expect(register(good, new Objects(members, true))).toBeUndefined();
});

test('a network of fewer members than copies keeps the manifest with every one', () => {
  const shape = shapeOf(1, { code: { k: 1, n: 3 }, isInline: true, lengthBytes: 5 });
  const few = registration('ann', 'note', shape);
  const members = [memberAt(0)];
  expect(register(few, new Objects(members))).toBe('invalid-certificate');
  const one = {
    ...few,
    manifest: { ...few.manifest, confirmations: few.manifest.confirmations.slice(0, 1) },
  };
  expect(register(one, new Objects(members))).toBeUndefined();
});

test.each<[string, Partial<RegisterObject>]>([
  ['more segments than the length makes', { segments: [...good.segments, first!] }],
  ['a key check of a public object', { shape: { ...SHAPE, isEncrypted: false } }],
  ['no key check of an encrypted object', { keyCheck: null }],
  ['more roots than holders', { segments: [{ ...first!, holders: first!.holders.slice(1) }] }],
  ['an inline object that is too long', { shape: { ...SHAPE, isInline: true }, segments: [] }],
  ['an object id of 31 bytes', { object: id.slice(1) as typeof id }],
])('a registration with %s has no form', (_what, change) => {
  expectCode('INVALID_ENCODING', () => register({ ...good, ...change }));
});

test('records of segments stay short whatever the code', () => {
  for (const code of [
    { k: 1, n: 1 },
    { k: 4, n: 10 },
    { k: 20, n: 50 },
    { k: 200, n: 255 },
  ]) {
    const nodes = Math.max(code.n, 5);
    const members = Array.from({ length: nodes }, (_, index) => memberAt(index));
    const homes = new Objects(members);
    const count = Math.max(1, Math.min(100, Math.floor(400 / code.n)));
    const shape = shapeOf(count, { code });
    const all = registration('ann', 'cat', shape, 0);
    const segments = Array.from({ length: count }, (_, index) => segmentAt(id, shape, index, nodes));
    expect(register({ ...all, segments }, homes)).toBeUndefined();
    expect(homes.segments(id).map(({ roots }) => roots)).toEqual(segments.map(({ roots }) => roots));
    for (const { bytes, key } of homes.memory.records.values()) {
      if (key.home.kind === 'object') expect(bytes.length).toBeLessThan(STATE_RECORD_LENGTH_MAX / 2);
    }
  }
});
