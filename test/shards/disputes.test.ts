// A pass that somebody doubts: whoever has the opening shows it and gets the bond, and when nobody has, those who vouched for it pay.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encode } from '../../src/base/codec.ts';
import type { Digest, ObjectId, OwnerId, PieceRoot } from '../../src/base/ids.ts';
import { DISPUTED_COPY_LENGTH_MAX, DISPUTES_MAX, TRANSACTION_LENGTH_MAX } from '../../src/base/limits.ts';
import type { Asked } from '../../src/proofs/draw.ts';
import { openCopy, openLeaf, type Opening } from '../../src/proofs/opening.ts';
import { pathLengthMax } from '../../src/proofs/path.ts';
import { COPY_SEGMENT } from '../../src/proofs/place.ts';
import { type AuditContext, signResponse } from '../../src/proofs/response.ts';
import type { NodeFindings } from '../../src/proofs/results.ts';
import { RESULTS_MAX } from '../../src/proofs/results.ts';
import { type ShownOpening, showOpening } from '../../src/proofs/shown.ts';
import { hashPiece } from '../../src/replication/piece-tree.ts';
import { putObject, putSegments } from '../../src/shards/object-record.ts';
import { pieceLengthOf } from '../../src/shards/object-shape.ts';
import type { DisputeResult } from '../../src/shards/operations/dispute-result.ts';
import { encodeTransaction, signTransaction } from '../../src/shards/transaction.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { GROUP_LENGTH } from '../../src/base/limits.ts';
import { digestFrom } from '../helpers/records.ts';
import { AUDIT, AuditWorld, BALANCE, nodeSigner, STAKE } from './audit-world.ts';
import { fastSha256 } from './kinds.ts';
import { idOf, nodeId, registration, shapeOf } from './objects.ts';
import { NETWORK, ownerOf, signerOf } from './world.ts';

const id = idOf('ann', 'film');
const SHAPE = shapeOf(2);
const HOLDER = 2;
const BOND = 150n;
const BALANCE_AFTER = BALANCE - BOND;

const bytesOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 255);
const PIECE = bytesOf(pieceLengthOf(SHAPE, 0));
const HASHED = hashPiece(PIECE);
const COPY = bytesOf(900);

const LEAF: Asked = { place: { object: id, segmentIndex: 0, pieceIndex: 2 }, leafIndex: 20 };
const OTHER_LEAF: Asked = { ...LEAF, leafIndex: 21 };
const WHOLE: Asked = { place: { object: id, segmentIndex: COPY_SEGMENT, pieceIndex: 1 }, leafIndex: 0 };

/** Results 0 to 2 are of the holder. */
const FINDINGS: readonly NodeFindings[] = [
  {
    node: nodeId(HOLDER),
    heldKib: 700,
    findings: [
      { asked: LEAF, verdict: 'held' },
      { asked: OTHER_LEAF, verdict: 'failed' },
      { asked: WHOLE, verdict: 'held' },
    ],
  },
];

/** An object of which piece 2 of segment 0 and the manifest are really there; a round with an anchor. */
function world(copy = COPY): AuditWorld {
  const homes = new AuditWorld();
  expect(homes.do('ann', 'register-object', registration('ann', 'film', SHAPE))).toBeUndefined();
  homes.memory.run((state) => {
    const [first, ...rest] = homes.segments(id);
    const roots = first!.roots.with(2, HASHED.root as Uint8Array as PieceRoot);
    putSegments(state, id, 0, [{ ...first!, roots }, ...rest]);
    const object = homes.object(id)!;
    const manifest = { ...object.manifest, digest: fastSha256(copy) as Digest, lengthBytes: copy.length };
    putObject(state, id, { ...object, manifest });
  });
  homes.nextRound();
  homes.anchor(FINDINGS);
  return homes;
}

function dispute(homes: AuditWorld, index = 0, more: Partial<DisputeResult> = {}): string | undefined {
  const result = homes.prove(FINDINGS, index);
  const action: DisputeResult = { round: homes.round.round, group: 0, result, bond: BOND, ...more };
  return homes.do('eve', 'dispute-result', action);
}

function open({ place, leafIndex }: Asked, copy = COPY): Opening {
  if (place.segmentIndex === COPY_SEGMENT) return openCopy(place, copy);
  const from = Math.floor((leafIndex * 1024) / GROUP_LENGTH) * GROUP_LENGTH;
  return openLeaf(
    { place, leafIndex },
    PIECE.slice(from, from + GROUP_LENGTH),
    HASHED.outboard,
    PIECE.length,
  );
}

/** What the holder signed of the round. */
function shown(homes: AuditWorld, asked: Asked, more: Partial<AuditContext> = {}, by = HOLDER): ShownOpening {
  const { round, seed } = homes.round;
  const context = { network: NETWORK, round, seed, node: nodeId(by), ...more };
  const part = signResponse(context, [open(OTHER_LEAF), open(asked)], [], nodeSigner(by));
  return showOpening(part, 1);
}

const answer = (
  homes: AuditWorld,
  what: ShownOpening,
  index = 0,
  round = homes.round.round,
): string | undefined => homes.do('bob', 'answer-dispute', { round, group: 0, index, shown: what });

function endRounds(homes: AuditWorld, rounds: number = AUDIT.roundsKept): void {
  for (let round = 0; round < rounds; round++) homes.nextRound();
  homes.settle();
}

describe('a dispute', () => {
  test('that is answered with the opening costs whoever raised it the bond, and the auditors nothing', () => {
    for (const [index, asked] of [
      [0, LEAF],
      [2, WHOLE],
    ] as const) {
      const homes = world();
      expect(dispute(homes, index)).toBeUndefined();
      expect(homes.openDisputes).toBe(1);
      expect(answer(homes, shown(homes, asked), index)).toBeUndefined();
      expect(homes.openDisputes).toBe(0);
      expect([homes.balance('eve'), homes.balance('bob')]).toEqual([BALANCE_AFTER, BALANCE + BOND]);
      endRounds(homes);
      expect([0, 1, 2].map((node) => homes.stake(node))).toEqual([STAKE, STAKE, STAKE]);
    }
  });

  test('that nobody answers costs each who signed a share of its stake; a part and the bond go to whoever raised it', () => {
    const homes = world();
    expect(dispute(homes)).toBeUndefined();
    endRounds(homes, AUDIT.roundsKept - 1);
    expect(homes.openDisputes).toBe(1);
    endRounds(homes, 1);
    expect(homes.openDisputes).toBe(0);
    expect([0, 1, 2, 3].map((node) => homes.stake(node))).toEqual([
      STAKE - 10_000n,
      STAKE - 10_000n,
      STAKE - 10_000n,
      STAKE,
    ]);
    expect(homes.balance('eve')).toBe(BALANCE + 1_500n);
    expect(homes.burned).toBe(28_500n);
  });

  test('of more results of one anchor costs its auditors no more than one', () => {
    const homes = world();
    expect([dispute(homes, 0), dispute(homes, 2)]).toEqual([undefined, undefined]);
    endRounds(homes);
    expect(homes.burned).toBe(28_500n);
    expect(homes.balance('eve')).toBe(BALANCE + 1_500n);
  });

  test('is settled with its own round, and no other', () => {
    const homes = world();
    expect(dispute(homes, 0)).toBeUndefined();
    homes.nextRound();
    homes.anchor(FINDINGS);
    expect(dispute(homes, 2)).toBeUndefined();
    endRounds(homes, AUDIT.roundsKept - 1);
    expect(homes.openDisputes).toBe(1);
    expect(homes.burned).toBe(28_500n);
    endRounds(homes, 1);
    expect(homes.openDisputes).toBe(0);
    // A hundredth of what the first one left.
    expect(homes.stake(0)).toBe(STAKE - 10_000n - 9_900n);
  });

  test('gets its bond back later when the lane to its account is full', () => {
    const homes = world();
    expect(dispute(homes)).toBeUndefined();
    homes.areLanesFull = true;
    endRounds(homes);
    expect(homes.balance('eve')).toBe(BALANCE_AFTER);
    homes.areLanesFull = false;
    endRounds(homes, 1);
    expect(homes.balance('eve')).toBe(BALANCE + 1_500n);
    expect(homes.burned).toBe(28_500n);
  });

  test('is settled when the object is gone: what there was to show is known', () => {
    const homes = world();
    expect(dispute(homes)).toBeUndefined();
    expect(homes.do('ann', 'delete-object', { object: id })).toBeUndefined();
    expect(answer(homes, shown(homes, LEAF))).toBeUndefined();
    expect(homes.balance('bob')).toBe(BALANCE + BOND);
  });
});

describe('what is no dispute', () => {
  test('is refused, and its bond comes back', () => {
    const homes = world();
    const { round } = homes.round;
    expect(dispute(homes, 0, { bond: AUDIT.disputeBond - 1n })).toBe('invalid-argument');
    expect(dispute(homes, 0, { bond: BALANCE + 1n })).toBe('insufficient-balance');
    expect(dispute(homes, 0, { group: 1 })).toBe('too-late');
    expect(dispute(homes, 0, { round: round + 1 })).toBe('too-late');
    expect(dispute(homes, 0, { result: { ...homes.prove(FINDINGS, 0), index: 1 } })).toBe('invalid-evidence');
    // It says that this failed.
    const other = { ...homes.prove(FINDINGS, 1), verdict: 'held' as const };
    expect(dispute(homes, 0, { result: other })).toBe('invalid-evidence');
    expect(homes.balance('eve')).toBe(BALANCE);
    expect(homes.openDisputes).toBe(0);
  });

  test('nor is one of what no object has', () => {
    const homes = world();
    const at = (place: Partial<Asked['place']>): string | undefined => {
      const result = homes.prove(FINDINGS, 0);
      const asked = { ...result.asked, place: { ...result.asked.place, ...place } };
      return dispute(homes, 0, { result: { ...result, asked } });
    };
    expect(at({ object: digestFrom<ObjectId>('nothing') })).toBe('no-such-object');
    expect(at({ segmentIndex: 2 })).toBe('invalid-argument');
    expect(at({ pieceIndex: 4 })).toBe('invalid-argument');
    expect(homes.balance('eve')).toBe(BALANCE);
  });

  test('nor one of what came after the round had begun: another object may have had the same id before', () => {
    const homes = world();
    expect(homes.do('ann', 'delete-object', { object: id })).toBeUndefined();
    expect(dispute(homes)).toBe('no-such-object');
    expect(homes.do('ann', 'register-object', registration('ann', 'film', SHAPE))).toBeUndefined();
    expect(dispute(homes)).toBe('condition-failed');
    expect(homes.balance('eve')).toBe(BALANCE);
  });

  test('nor one of a round in the older half of those that are kept, which would leave no time to answer', () => {
    const homes = world();
    const action = { round: homes.round.round, group: 0, result: homes.prove(FINDINGS, 0), bond: BOND };
    for (let age = 0; age < AUDIT.roundsKept; age++) {
      const [refusal] = [homes.do('eve', 'dispute-result', action)];
      expect(refusal).toBe(
        age === 0 ? undefined : age < AUDIT.roundsKept / 2 ? 'already-exists' : 'too-late',
      );
      homes.nextRound();
    }
  });

  test('nor one of a copy that is too long to be shown', () => {
    const longest = bytesOf(DISPUTED_COPY_LENGTH_MAX);
    const homes = world(longest);
    expect(dispute(homes, 2)).toBeUndefined();
    const { round, seed } = homes.round;
    const context = { network: NETWORK, round, seed, node: nodeId(HOLDER) };
    const part = signResponse(context, [open(WHOLE, longest)], [], nodeSigner(HOLDER));
    expect(answer(homes, showOpening(part, 0), 2)).toBeUndefined();
    const longer = world(bytesOf(DISPUTED_COPY_LENGTH_MAX + 1));
    expect(dispute(longer, 2)).toBe('limit-exceeded');
    expect(longer.balance('eve')).toBe(BALANCE);
  });

  test('nor one more than there may be', () => {
    const homes = world();
    const many: readonly NodeFindings[] = [
      {
        node: nodeId(HOLDER),
        heldKib: 700,
        findings: Array.from({ length: DISPUTES_MAX + 1 }, (_, leafIndex) => ({
          asked: { ...LEAF, leafIndex },
          verdict: 'held' as const,
        })),
      },
    ];
    homes.anchor(many);
    const { round } = homes.round;
    const refusals = many[0]!.findings.map((_, index) =>
      homes.do('eve', 'dispute-result', { round, group: 0, result: homes.prove(many, index), bond: BOND }),
    );
    expect(refusals).toEqual([...Array.from({ length: DISPUTES_MAX }, () => undefined), 'limit-exceeded']);
  });
});

describe('what is no answer', () => {
  test('leaves the dispute open', () => {
    const homes = world();
    expect(dispute(homes)).toBeUndefined();
    const { round } = homes.round;
    const good = shown(homes, LEAF);
    const refused: readonly ShownOpening[] = [
      shown(homes, OTHER_LEAF),
      shown(homes, LEAF, { round: round + 1 }),
      shown(homes, LEAF, { seed: digestFrom('another seed') }),
      shown(homes, LEAF, {}, 3),
      { ...good, opening: { ...good.opening, bytes: bytesOf(1024) } },
      { ...good, signature: shown(homes, WHOLE).signature },
    ];
    for (const each of refused) expect(answer(homes, each)).toBe('invalid-evidence');
    expect(answer(homes, good, 1)).toBe('too-late');
    expect(homes.openDisputes).toBe(1);
    expect(answer(homes, good)).toBeUndefined();
    expect(answer(homes, good)).toBe('too-late');
  });

  test('is one after the round was forgotten', () => {
    const homes = world();
    expect(dispute(homes)).toBeUndefined();
    const late = shown(homes, LEAF);
    const { round } = homes.round;
    endRounds(homes);
    expect(answer(homes, late, 0, round)).toBe('too-late');
  });
});

test('a dispute takes less than a kilobyte, signed and all, and an answer of a leaf less than two and a half', () => {
  const homes = world();
  const path = Array.from({ length: pathLengthMax(RESULTS_MAX) }, () => digestFrom('sibling'));
  const result = { ...homes.prove(FINDINGS, 0), index: RESULTS_MAX - 1, path };
  const sizeOf = (kind: string, parameters: unknown): number => {
    const signer = signerOf('eve');
    const transaction = {
      network: NETWORK,
      sender: signer.publicKey as OwnerId,
      nonce: 2 ** 32,
      fee: 2n ** 40n,
      expiresAtHeight: 2 ** 40,
      action: { kind, parameters },
    };
    const { operations } = LEDGER_RULES;
    return encodeTransaction(signTransaction(transaction, operations, signer), operations).length;
  };
  expect(sizeOf('dispute-result', { round: 2 ** 32 - 1, group: 4095, result, bond: 2n ** 63n })).toBeLessThan(
    1024,
  );
  const leaf = { round: 2 ** 32 - 1, group: 4095, index: RESULTS_MAX - 1, shown: shown(homes, LEAF) };
  expect(sizeOf('answer-dispute', leaf)).toBeLessThan(2560);
  expect(encode([new Uint8Array(DISPUTED_COPY_LENGTH_MAX)]).length).toBeLessThan(TRANSACTION_LENGTH_MAX);
  expect(ownerOf('eve')).toEqual(signerOf('eve').publicKey);
});

// ---- Any life of disputes ----------------------------------------------------------------------------------------

type Step =
  | { readonly kind: 'dispute' | 'answer'; readonly index: number; readonly isFalse: boolean }
  | { readonly kind: 'round' | 'arrive' | 'expire' | 'lanes' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('dispute' as const, 'answer' as const),
        index: fc.constantFrom(0, 2),
        isFalse: fc.boolean(),
      }),
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('arrive' as const) }) },
    fc.record({ kind: fc.constantFrom('round' as const, 'expire' as const, 'lanes' as const) }),
  ),
  { maxLength: 40 },
);

/** Starts it; its messages wait. */
function begin(homes: AuditWorld, step: Step): void {
  switch (step.kind) {
    case 'dispute': {
      const result = homes.prove(FINDINGS, step.index);
      const group = step.isFalse ? 1 : 0;
      homes.act('eve', 'dispute-result', { round: homes.round.round, group, result, bond: BOND });
      return;
    }
    case 'answer': {
      const asked = (step.index === 0) === step.isFalse ? WHOLE : LEAF;
      const what = { round: homes.round.round, group: 0, index: step.index, shown: shown(homes, asked) };
      homes.act('bob', 'answer-dispute', what);
      return;
    }
    case 'round':
      homes.nextRound();
      homes.anchor(FINDINGS);
      return;
    case 'arrive':
      if (homes.waiting.length > 0) homes.arrive();
      return;
    case 'expire':
      if (['dispute-result', 'open-dispute', 'answer-dispute'].includes(homes.waiting[0]?.kind ?? ''))
        homes.expire();
      return;
    case 'lanes':
      homes.areLanesFull = !homes.areLanesFull;
      return;
  }
}

test('whatever happens in whatever order, no token is lost, every bond ends with somebody, and nobody else pays', () => {
  fc.assert(
    fc.property(steps, (life) => {
      const homes = world();
      for (const step of life) {
        begin(homes, step);
        homes.check();
      }
      homes.settle();
      homes.areLanesFull = false;
      endRounds(homes, AUDIT.roundsKept + 1);
      expect([...homes.memory.records.values()].some(({ key }) => key.kind === 'disputes')).toBe(false);
      expect([3, 4, 5].map((node) => homes.stake(node))).toEqual([STAKE, STAKE, STAKE]);
      const lost = [0, 1, 2].reduce((sum, node) => sum + STAKE - homes.stake(node), 0n);
      const won = homes.balance('eve') + homes.balance('bob') - 2n * BALANCE;
      expect(won + homes.burned).toBe(lost);
      // Bob only shows what is there, and puts nothing at stake.
      expect(homes.balance('bob')).toBeGreaterThanOrEqual(BALANCE);
    }),
    { numRuns: 30 },
  );
});
