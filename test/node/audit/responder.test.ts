import { describe, expect, test } from 'vitest';
import { concat } from '../../../src/base/bytes.ts';
import type { Digest, NodeId, ObjectId, OwnerId } from '../../../src/base/ids.ts';
import { AUDIT_PART_LENGTH_MAX } from '../../../src/base/limits.ts';
import { auditServices } from '../../../src/node/audit/responder.ts';
import type { WatchedRound } from '../../../src/node/audit/round-watcher.ts';
import { recordKey } from '../../../src/node/entry-keys.ts';
import type { Asked } from '../../../src/proofs/draw.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import { COPY_SEGMENT } from '../../../src/proofs/place.ts';
import { encodeReceipt, receiptText, signReceipt } from '../../../src/proofs/receipt.ts';
import { decodeResponse, encodeRequest } from '../../../src/proofs/response.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { MemoryLog } from '../../../src/runtime/memory-log.ts';
import { putObject } from '../../../src/shards/object-record.ts';
import { expectCode, expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom, signerFrom } from '../../helpers/records.ts';
import { Memory } from '../../shards/memory.ts';
import { NETWORK } from '../../shards/world.ts';
import { AuditWorld } from './audit-kit.ts';

const COPIES = 4;
const LENGTH = 1.5 * 2 ** 20;
const objectAt = (index: number): ObjectId => new Uint8Array(32).fill(index) as ObjectId;
const manifestAt = (index: number): Uint8Array => new Uint8Array(LENGTH).fill(index);

/** A node of `world` holds copies of long manifests, and is asked for all of them. */
async function holderOfCopies(
  world: AuditWorld,
): Promise<(from: NodeId, asked: readonly Asked[]) => Promise<Uint8Array>> {
  const { node, signer, watched } = world.of('a');
  const log = new MemoryLog();
  const memory = new Memory();
  for (let index = 0; index < COPIES; index++) {
    const digest = nativeSha256(manifestAt(index)) as Digest;
    await log.put({ key: recordKey(digest), meta: new Uint8Array(0), payload: manifestAt(index) });
    memory.run((state) =>
      putObject(state, objectAt(index), {
        owner: digestFrom<OwnerId>('owner'),
        salt: digestFrom('salt').slice(0, 16),
        shape: {
          lengthBytes: 0,
          code: { k: 2, n: 4 },
          segmentCells: 16,
          isEncrypted: false,
          isInline: true,
        },
        keyCheck: null,
        manifest: { digest, lengthBytes: LENGTH, holders: [node] },
        registered: 0,
        registeredAtHeight: 3,
        expiresAtMs: null,
        isLeaving: false,
        deposits: [],
      }),
    );
  }
  const own: WatchedRound = { ...watched, own: { node, asked: all(), classes: [] } };
  const [service] = auditServices({
    network: NETWORK,
    signer,
    log,
    chain: { load: async (keys) => keys.map((key) => memory.read(key)) },
    watcher: { rounds: [own], round: () => own },
    receipts: { take: () => undefined },
    hashes: { ...PORTABLE_HASHES, sha256: nativeSha256 },
  });
  const { round, seed } = watched.round;
  return async (from, asked) => {
    const header = encodeRequest({ round, seed, asked });
    const reply = await service!.handle(from, header, new Uint8Array(0), new AbortController().signal);
    return concat(...(reply.body ?? []));
  };
}

const all = (): Asked[] =>
  Array.from({ length: COPIES }, (_, index) => ({
    place: { object: objectAt(index), segmentIndex: COPY_SEGMENT, pieceIndex: 0 },
    leafIndex: 0,
  }));

describe('a node that is audited', () => {
  test('shows no more than fits an answer, whatever one asks for at once, and the rest to who asks again', async () => {
    const world = await AuditWorld.create();
    const answer = await holderOfCopies(world);
    const body = await answer(world.nodeOf('b'), all());
    expect(body.length).toBeLessThanOrEqual(AUDIT_PART_LENGTH_MAX);
    const { openings, admissions } = decodeResponse(body);
    expect(openings.map(({ place }) => place.object[0])).toEqual([0, 1]);
    expect(admissions).toEqual([]);
    const rest = decodeResponse(await answer(world.nodeOf('b'), all().slice(2)));
    expect(rest.openings.map(({ place }) => place.object[0])).toEqual([2, 3]);
  });

  test('lets nobody but its auditors send it anything', async () => {
    const world = await AuditWorld.create();
    const stranger = signerFrom('stranger').publicKey as NodeId;
    for (const name of ['audit', 'audit-receipt']) {
      const service = world.of('a').services.get(name)!;
      await expectCodeAsync('UNAUTHORIZED', service.admit!(stranger, new Uint8Array(0), 400_000));
      await expect(service.admit!(world.nodeOf('b'), new Uint8Array(0), 4)).resolves.toBeUndefined();
    }
  });

  test('takes no receipt of more than it was asked', async () => {
    const world = await AuditWorld.create();
    const { watched, node, receipts } = world.of('a');
    const { signer } = world.of('b');
    const { round } = watched.round;
    const held = Array.from({ length: watched.own.asked.length + 1 }, (_, index): Asked => {
      return { place: { object: objectAt(1), segmentIndex: index, pieceIndex: 0 }, leafIndex: 0 };
    });
    const signature = signReceipt(receiptText(NETWORK, round, node, held), signer);
    expectCode('INVALID_ARGUMENT', () =>
      receipts.take(world.nodeOf('b'), encodeReceipt({ round, held, signature })),
    );
  });
});
