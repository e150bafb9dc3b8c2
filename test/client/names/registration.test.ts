import { expect, test, vi } from 'vitest';
import { equal, toHex } from '../../../src/base/bytes.ts';
import { encode } from '../../../src/base/codec.ts';
import type { NodeId, OwnerId } from '../../../src/base/ids.ts';
import { TRANSACTION_LENGTH_MAX } from '../../../src/base/limits.ts';
import { portableSigner, portableVerify } from '../../../src/base/keys.ts';
import type { Signer } from '../../../src/base/ports.ts';
import {
  registerObject,
  registrationActions,
  type UploadedObject,
} from '../../../src/client/names/registration.ts';
import { putQuorum, recordQuorum } from '../../../src/replication/code.ts';
import { segmentCapacity, type SegmentRecord } from '../../../src/replication/manifest.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { objectOf } from '../../../src/shards/object-record.ts';
import { type ObjectShape, segmentCount } from '../../../src/shards/object-shape.ts';
import type { AddSegments } from '../../../src/shards/operations/add-segments.ts';
import type { RegisterObject } from '../../../src/shards/operations/register-object.ts';
import type { Action } from '../../../src/shards/transaction.ts';
import { encodeTransaction, signTransaction } from '../../../src/shards/transaction.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { memberAt, Objects, shapeOf } from '../../shards/objects.ts';
import { NETWORK, signerOf } from '../../shards/world.ts';
import { MemoryChain } from './memory-chain.ts';
import { type UploadOptions, uploadOf } from './uploads.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

const INLINE: ObjectShape = { ...shapeOf(1), lengthBytes: 100, isInline: true };

async function actionsOf(upload: UploadedObject, registered?: number): Promise<readonly Action[]> {
  const actions: Action[] = [];
  for await (const action of registrationActions(upload, registered)) actions.push(action);
  return actions;
}

const segmentsOf = (actions: readonly Action[]): readonly SegmentRecord[] =>
  actions.flatMap(({ parameters }) => (parameters as RegisterObject | AddSegments).segments);

// ---- Parts ---------------------------------------------------------------------------------------------------

test('parts hold every segment once, in order, with exactly the confirmations that the chain wants, and fit', async () => {
  const wide = { k: 20, n: 50 };
  const shapes = [
    INLINE,
    shapeOf(1),
    shapeOf(40),
    shapeOf(400),
    shapeOf(30, { code: wide, lengthBytes: 30 * segmentCapacity(16, true) }),
    shapeOf(7, { code: { k: 1, n: 255 }, isEncrypted: false, lengthBytes: 7 * segmentCapacity(16, false) }),
  ];
  for (const shape of shapes) {
    const signature = new Uint8Array(64).fill(7);
    const signerAt = (index: number): Signer => ({
      publicKey: digestFrom(`node ${index}`),
      sign: () => signature as never,
    });
    const upload = uploadOf('large', shape, { signerAt, nodes: 300 });
    const actions = await actionsOf(upload);
    expect(actions.map(({ kind }) => kind)).toEqual([
      'register-object',
      ...actions.slice(1).map(() => 'add-segments'),
    ]);
    const segments = segmentsOf(actions);
    expect(segments).toHaveLength(segmentCount(shape));
    for (const [index, original] of [...(upload.segments(0) as Iterable<SegmentRecord>)].entries()) {
      const { confirmations, ...rest } = segments[index]!;
      expect(rest).toEqual({ salt: original.salt, roots: original.roots, holders: original.holders });
      expect(new Set(confirmations.map(({ pieceIndex }) => pieceIndex)).size).toBe(putQuorum(shape.code));
    }
    const { manifest } = actions[0]!.parameters as RegisterObject;
    expect(manifest.confirmations).toHaveLength(recordQuorum(shape.code));
    let first = 0;
    for (const [nonce, action] of actions.entries()) {
      const added = action.parameters as AddSegments;
      if (nonce > 0) expect(added.first).toBe(first);
      first += added.segments.length;
      const { lengthBytes, ...signed } = signTransaction(
        {
          network: NETWORK,
          sender: digestFrom<OwnerId>('owner'),
          nonce: 2 ** 40,
          fee: 2n ** 60n,
          expiresAtHeight: 2 ** 40,
          action,
        },
        LEDGER_RULES.operations,
        signerAt(0),
      );
      expect(lengthBytes).toBeLessThanOrEqual(TRANSACTION_LENGTH_MAX);
      expect(encodeTransaction({ ...signed, lengthBytes }, LEDGER_RULES.operations)).toHaveLength(
        lengthBytes,
      );
      // No part but the last could have been much longer.
      if (nonce < actions.length - 1) {
        const next = encode(segments[first]!.roots).length + 70 * putQuorum(shape.code);
        const isFull =
          lengthBytes + 2 * next > TRANSACTION_LENGTH_MAX * 0.85 || added.segments.length === 128;
        expect(isFull, `${lengthBytes} bytes`).toBe(true);
      }
    }
  }
});

test('a registration goes on behind what the chain has', async () => {
  const upload = uploadOf('large', shapeOf(20));
  const rest = await actionsOf(upload, 13);
  expect(rest).toHaveLength(1);
  expect(rest[0]).toMatchObject({ kind: 'add-segments', parameters: { first: 13 } });
  expect(segmentsOf(rest)).toHaveLength(7);
  expect(await actionsOf(upload, 20)).toEqual([]);
});

test('a segment without its quorum is not sent', async () => {
  const upload = uploadOf('poor', shapeOf(3));
  const poor: UploadedObject = {
    ...upload,
    segments: function* (first) {
      for (const segment of upload.segments(first) as Iterable<SegmentRecord>) {
        yield { ...segment, confirmations: segment.confirmations.slice(0, 1) };
      }
    },
  };
  const error = await expectCodeAsync('INVALID_ARGUMENT', actionsOf(poor));
  expect(error.message).toContain('segment 0');
});

// ---- The ledger ----------------------------------------------------------------------------------------------

/** Signatures are ed25519, as of a real network. */
class RealObjects extends Objects {
  override readonly verify = portableVerify;
}

const realSigner = (index: number): Signer => portableSigner(digestFrom(`real node ${index}`));
// `Homes` knows owners by name.
const REAL: UploadOptions = { owner: signerOf('ann'), signerAt: realSigner, nodes: 6 };

test('the ledger takes what was made with real signatures, and nothing with a wrong one', async () => {
  const members = Array.from({ length: 6 }, (_, index) => ({
    ...memberAt(index),
    node: realSigner(index).publicKey as NodeId,
  }));
  for (const shape of [INLINE, shapeOf(3)]) {
    const objects = new RealObjects(members);
    const upload = uploadOf('photo', shape, REAL);
    const [action] = await actionsOf(upload);
    const forged = structuredClone(action!.parameters) as RegisterObject;
    forged.manifest.confirmations[0]![1][5]! ^= 1;
    expect(objects.do('ann', action!.kind, forged)).toBe('invalid-certificate');
    expect(objects.do('ann', action!.kind, action!.parameters)).toBeUndefined();
    const record = objects.memory.run((state) => objectOf(state, upload.object));
    expect(record).toMatchObject({ registered: segmentCount(shape), shape });
  }
});

test('an object of any length is put on the chain, in whatever shards', async () => {
  for (const shardBits of [0, 3]) {
    const chain = new MemoryChain(shardBits);
    const ann = chain.context();
    for (const [name, shape] of [
      ['inline', INLINE],
      ['short', shapeOf(2)],
      ['long', shapeOf(300)],
    ] as const) {
      const upload = uploadOf(name, shape);
      const record = await registerObject(ann, upload);
      expect(record).toMatchObject({ registered: segmentCount(shape), shape, isLeaving: false });
      expect(equal(record.manifest.digest, upload.manifest.digest)).toBe(true);
      const before = chain.world.height;
      expect(await registerObject(ann, upload)).toEqual(record);
      expect(chain.world.height).toBe(before);
    }
  }
});

test('a registration that was cut off goes on when it is called again', async () => {
  const chain = new MemoryChain(2);
  const ann = chain.context();
  const upload = uploadOf('long', shapeOf(300));
  const broken: UploadedObject = {
    ...upload,
    segments: function* (first) {
      let count = first;
      for (const segment of upload.segments(first) as Iterable<SegmentRecord>) {
        if (++count > 200) throw new Error('the line was cut');
        yield segment;
      }
    },
  };
  await expect(registerObject(ann, broken)).rejects.toThrow('the line was cut');
  const { value: half } = await chain.read((state) => objectOf(state, upload.object)?.registered);
  expect(half).toBeGreaterThan(0);
  expect(half).toBeLessThan(300);
  const asked = vi.spyOn(upload, 'segments');
  expect(await registerObject(ann, upload)).toMatchObject({ registered: 300 });
  expect(asked).toHaveBeenCalledWith(half);
});

test('what the chain does not take is told with its reason', async () => {
  const chain = new MemoryChain(1);
  const ann = chain.context();
  const strangers = uploadOf('strangers', shapeOf(2), { signerAt: (index) => signerOf(`stranger ${index}`) });
  const refused = await expectCodeAsync('REFUSED', registerObject(ann, strangers));
  expect(refused.message).toContain('members of this epoch');
  const upload = uploadOf('photo', shapeOf(2));
  await registerObject(ann, upload);
  const other = { ...upload, manifest: { ...upload.manifest, digest: digestFrom('another') } };
  await expectCodeAsync('ALREADY_EXISTS', registerObject(ann, other));
  const few = { ...uploadOf('few', shapeOf(2)), segments: () => [] };
  await expectCodeAsync('INVALID_ARGUMENT', registerObject(ann, few));
  expect(toHex(upload.object)).toHaveLength(64);
});
