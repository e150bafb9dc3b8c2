import { expect, test } from 'vitest';
import { BLOCK_LENGTH_MAX, RECEIPTS_PER_BLOCK_MAX } from '../../src/base/limits.ts';
import type { Epoch, NetworkId, NodeId, Signature } from '../../src/base/ids.ts';
import type { Amounts } from '../../src/shards/amounts.ts';
import { applyBlock } from '../../src/shards/apply.ts';
import type { Block } from '../../src/shards/block.ts';
import type { Header } from '../../src/shards/header.ts';
import type { Parcel } from '../../src/shards/parcel.ts';
import { BLOCK_PROBLEMS, type BlockProblem } from '../../src/shards/problem.ts';
import type { SignedTransaction } from '../../src/shards/transaction.ts';
import { LoadedState } from '../../src/shards/view.ts';
import { digestFrom } from '../helpers/records.ts';
import {
  commitOf,
  laneBetween,
  namesIn,
  ownerOf,
  parcelOf,
  withBody,
  World,
  type WorldOptions,
} from './world.ts';

const [A, B, C] = namesIn(2, [0, 3, 1]) as [string, string, string];
const AMOUNT: Amounts = [[0, 10n]];
const RICH: Amounts = [[0, 1000n]];

/** Two receipts from A's shard to B's and one from C's, sent in the last block. */
function worldWithReceipts(options: Partial<WorldOptions> = {}): World {
  const world = new World({ shardBits: 2, balances: { [A]: RICH, [B]: RICH, [C]: RICH }, ...options });
  world.step([pay(world, A, B, 0), pay(world, A, B, 1), pay(world, C, B, 0)]);
  return world;
}

function pay(
  world: World,
  from: string,
  to: string,
  nonce = world.nonce(from),
  more = {},
): SignedTransaction {
  return world.sign(
    from,
    nonce,
    { kind: 'transfer', parameters: { to: ownerOf(to), amounts: AMOUNT } },
    more,
  );
}

const judge = (world: World, block: Block): string => {
  const result = world.apply(block);
  return result.kind === 'invalid' ? result.problem : result.kind;
};

const withHeader = (world: World, header: Partial<Header>): string => {
  const block = world.build();
  return judge(world, { ...block, header: { ...block.header, ...header } });
};

const withTransactions = (world: World, transactions: readonly SignedTransaction[]): string =>
  judge(world, withBody(world.build(), { transactions }));

const withParcels = (world: World, change: (parcels: readonly Parcel[]) => readonly Parcel[]): string => {
  const block = world.build();
  return judge(world, withBody(block, { parcels: change(block.body.parcels) }));
};

const other = digestFrom('other');

/** For each problem, blocks that have it. */
const CASES: Readonly<Record<BlockProblem, readonly (() => string)[]>> = {
  'too-long': [
    () => {
      const world = new World();
      return judge(world, { ...world.build(), bytes: new Uint8Array(BLOCK_LENGTH_MAX + 1) });
    },
  ],
  'wrong-network': [() => withHeader(new World(), { network: other as Uint8Array as NetworkId })],
  'wrong-height': [
    () => withHeader(new World(), { height: 2 }),
    () => withHeader(new World(), { height: 0 }),
  ],
  'wrong-epoch': [() => withHeader(new World(), { epoch: 1 as Epoch })],
  'wrong-parent': [() => withHeader(new World(), { parent: other })],
  'wrong-time': [() => withHeader(new World(), { timeMs: 1000 })],
  'wrong-commit': [
    () => {
      const world = new World();
      return judge(world, withBody(world.build(), { lastCommit: commitOf(0, other) }));
    },
    ...[null, commitOf(1, other), commitOf(2, other)].map((lastCommit) => () => {
      const world = new World();
      world.step();
      return judge(world, withBody(world.build(), { lastCommit }));
    }),
    () => {
      const world = new World();
      world.step();
      const block = world.build();
      const commit = block.body.lastCommit!;
      const signatures = commit.signatures.slice(0, 2);
      return judge(world, withBody(block, { lastCommit: { ...commit, signatures } }));
    },
    () => {
      const world = new World();
      world.step();
      const block = world.build();
      const commit = block.body.lastCommit!;
      const signature = new Uint8Array(64) as Signature;
      const signatures = commit.signatures.map((one, index) => (index === 0 ? { ...one, signature } : one));
      return judge(world, withBody(block, { lastCommit: { ...commit, signatures } }));
    },
  ],
  'wrong-validators': [
    () => withHeader(new World(), { validators: other }),
    () => withHeader(new World(), { nextValidators: other }),
  ],
  'wrong-state-root': [() => withHeader(new World(), { stateRoot: other })],
  'wrong-shards-root': [
    () => withHeader(new World(), { shardsRoot: other }),
    () => withHeader(new World(), { shardBits: 1 }),
  ],
  'wrong-body': [
    () => withHeader(new World(), { transactionsRoot: other }),
    () => withHeader(new World(), { receiptsRoot: other }),
    () => withHeader(new World(), { evidenceRoot: other }),
    () => withHeader(new World(), { lastCommit: other }),
  ],
  'wrong-proposer': [() => withHeader(new World(), { proposer: other as Uint8Array as NodeId })],
  'too-many': [
    () => {
      const world = worldWithReceipts();
      const lane = laneBetween(world, A, B);
      const proof = world.proveKey(world.records.values().next().value!.key);
      const reclaim = { lane, first: 0, count: RECEIPTS_PER_BLOCK_MAX, cursor: 0, proof };
      return judge(world, withBody(world.build(), { reclaims: [reclaim] }));
    },
  ],
  'foreign-transaction': [
    () => {
      const world = worldWithReceipts();
      const signed = pay(world, A, B);
      const network = other as Uint8Array as NetworkId;
      return withTransactions(world, [{ ...signed, transaction: { ...signed.transaction, network } }]);
    },
  ],
  'bad-signature': [
    () => {
      const world = worldWithReceipts();
      return withTransactions(world, [{ ...pay(world, A, B), signature: new Uint8Array(64) as Signature }]);
    },
    () => {
      const world = worldWithReceipts();
      const signed = pay(world, A, B);
      const transaction = { ...signed.transaction, sender: ownerOf(C), nonce: 1 };
      return withTransactions(world, [{ ...signed, transaction }]);
    },
  ],
  'wrong-nonce': [
    ...[0, 1, 3].map((nonce) => () => {
      const world = worldWithReceipts();
      return withTransactions(world, [pay(world, A, B, nonce)]);
    }),
    () => {
      const world = worldWithReceipts();
      return withTransactions(world, [pay(world, A, B), pay(world, A, B)]);
    },
  ],
  'transaction-expired': [
    () => {
      const world = worldWithReceipts();
      return withTransactions(world, [pay(world, A, B, 2, { expiresAtHeight: 1 })]);
    },
  ],
  'fee-too-low': [
    () => {
      const world = new World({ balances: { [A]: RICH }, params: { feePerTransaction: 2n } });
      return withTransactions(world, [pay(world, A, B, 0, { fee: 1n })]);
    },
    () => {
      const world = new World({ balances: { [A]: RICH }, params: { feePerByte: 1n } });
      const length = BigInt(pay(world, A, B, 0, { fee: 200n }).lengthBytes);
      return withTransactions(world, [pay(world, A, B, 0, { fee: length - 1n })]);
    },
  ],
  'fee-unpayable': [
    () => {
      const world = new World({ balances: { [A]: [[1, 50n]] } });
      return withTransactions(world, [pay(world, A, B, 0, { fee: 1n })]);
    },
  ],
  'unknown-lane': [
    () =>
      withParcels(worldWithReceipts(), ([first]) => {
        const lane = { ...first!.batch.lane, shardBits: 5 };
        return [{ ...first!, batch: { ...first!.batch, lane } }];
      }),
    () => {
      const world = worldWithReceipts();
      const lane = { ...laneBetween(world, A, B), shardBits: 5 };
      const proof = world.proveKey(world.records.values().next().value!.key);
      const reclaims = [{ lane, first: 0, count: 1, cursor: 0, proof }];
      return judge(world, withBody(world.build(), { reclaims, parcels: [] }));
    },
  ],
  'old-lanes-first': [
    () => {
      const world = worldWithReceipts();
      world.reshapeTo = 3;
      world.accept(withBody(world.build(), { parcels: [] }));
      const [from, to] = namesIn(3, [0, 7]) as [string, string];
      expect(world.shardBits).toBe(3);
      const note = { to: ownerOf(to), from: ownerOf(from), number: 0 };
      const block = world.build([world.sign(from, world.nonce(from), { kind: 'note', parameters: note })]);
      world.accept(withBody(block, { parcels: [] }));
      return withParcels(world, () => [parcelOf(world, laneBetween(world, from, to), 0, 1)]);
    },
  ],
  'receipt-order': [
    () => withParcels(worldWithReceipts(), (parcels) => parcels.toReversed()),
    () => {
      const world = worldWithReceipts();
      const lane = laneBetween(world, A, B);
      return withParcels(world, ([, last]) => [
        parcelOf(world, lane, 0, 1),
        last!,
        parcelOf(world, lane, 1, 2),
      ]);
    },
  ],
  'receipt-repeated': [
    () => {
      const world = worldWithReceipts();
      const { parcels } = world.build().body;
      world.step();
      return withParcels(world, () => parcels);
    },
  ],
  'receipt-gap': [
    () => {
      const world = worldWithReceipts();
      return withParcels(world, () => [parcelOf(world, laneBetween(world, A, B), 1, 2)]);
    },
    () => {
      const world = worldWithReceipts({ params: { receiptLifetimeBlocks: 1 } });
      return judge(world, withReclaim(world, 0, 3));
    },
    () => {
      const world = worldWithReceipts({ params: { receiptLifetimeBlocks: 1 } });
      return judge(world, withReclaim(world, 1, 1));
    },
  ],
  'receipt-unproved': [
    ...(
      [{ siblings: [other] }, { index: 1 }, { count: 3 }, { path: [other] }] as readonly Partial<Parcel>[]
    ).map((change) => () => withParcels(worldWithReceipts(), ([first]) => [{ ...first!, ...change }])),
    () =>
      withParcels(worldWithReceipts(), ([first]) => [{ ...first!, batch: { ...first!.batch, receipts: 3 } }]),
    () =>
      withParcels(worldWithReceipts(), ([first]) => [{ ...first!, batch: { ...first!.batch, height: 2 } }]),
    () => {
      // A receipt that nobody sent, in place of one that somebody did.
      const world = worldWithReceipts();
      const richer = worldWithReceipts();
      const poor = parcelOf(world, laneBetween(world, A, B), 0, 2);
      const { receipt } = poor.receipts[0]!;
      const message = { ...receipt.message, value: [[0, 900n]] as Amounts };
      const forged = { receipt: { ...receipt, message }, bytes: digestFrom('forged') };
      return withParcels(richer, () => [{ ...poor, receipts: [forged, poor.receipts[1]!] }]);
    },
    () => {
      // The receipts that follow do so in another batch.
      const world = worldWithReceipts();
      const block = world.build([pay(world, A, B)]);
      world.accept(withBody(block, { parcels: [] }));
      const lane = laneBetween(world, A, B);
      const first = parcelOf(world, lane, 0, 1);
      return withParcels(world, () => [{ ...first, batch: { ...first.batch, first: 2 } }]);
    },
  ],
  'receipt-expired': [
    () => {
      const world = worldWithReceipts({ params: { receiptLifetimeBlocks: 1 } });
      world.accept(withBody(world.build(), { parcels: [] }));
      const parcels = [parcelOf(world, laneBetween(world, A, B), 0, 2)];
      return judge(world, withBody(world.build(), { parcels, reclaims: [] }));
    },
  ],
  'reclaim-too-early': [
    () => {
      const world = worldWithReceipts({ params: { receiptLifetimeBlocks: 1 } });
      return judge(world, withReclaim(world, 0, 2));
    },
  ],
  'reclaim-unproved': [
    () => expiredReclaim((reclaim) => ({ ...reclaim, cursor: 1 })),
    () => expiredReclaim((reclaim, world) => ({ ...reclaim, proof: someProof(world) })),
  ],
  'rule-broken': [
    () => {
      const rule = { name: 'no', touches: () => [], apply: () => 'never' };
      const honest = new World();
      return judge(new World({ rules: { opening: [rule] } }), honest.build());
    },
    () => {
      const rule = { name: 'no', touches: () => [], apply: () => 'never' };
      const honest = new World();
      return judge(new World({ rules: { closing: [rule] } }), honest.build());
    },
  ],
};

const someProof = (world: World) => world.proveKey(world.records.values().next().value!.key);

function withReclaim(world: World, first: number, count: number): Block {
  const lane = laneBetween(world, A, B);
  const block = world.build();
  const reclaims = [{ lane, first, count, cursor: 0, proof: someProof(world) }];
  return withBody(block, { parcels: [], reclaims });
}

type Reclaim = Block['body']['reclaims'][number];

function expiredReclaim(change: (reclaim: Reclaim, world: World) => Reclaim): string {
  const world = worldWithReceipts({ params: { receiptLifetimeBlocks: 1 } });
  world.accept(withBody(world.build(), { parcels: [] }));
  const block = world.build();
  const [first] = block.body.reclaims;
  expect(judge(world, block)).toBe('applied');
  return judge(world, withBody(block, { reclaims: [change(first!, world)] }));
}

test.each(BLOCK_PROBLEMS)('a block is invalid: %s', (problem) => {
  for (const found of CASES[problem]) expect(found()).toBe(problem);
});

test('one load brings all that a block of transfers and receipts needs', () => {
  const world = worldWithReceipts();
  world.rounds = [];
  world.step([pay(world, A, B), pay(world, B, C), pay(world, C, C)]);
  expect(world.rounds).toEqual([1]);
});

test('what is missing is asked for without judging, each record once', () => {
  const world = worldWithReceipts();
  const block = world.build([pay(world, A, B), pay(world, A, C, 3)]);
  const asked = applyBlock(new LoadedState(), block, world.context());
  if (asked.kind !== 'missing') throw new Error('nothing was loaded');
  const texts = asked.keys.map(({ text }) => text);
  expect(texts).toEqual([...new Set(texts)].sort());
  // Any part of it being loaded, the rest is asked for, or what follows from it.
  for (let skip = 0; skip < asked.keys.length; skip++) {
    const loaded = new LoadedState();
    world.load(
      asked.keys.filter((_, index) => index !== skip),
      loaded,
    );
    const again = applyBlock(loaded, block, world.context());
    expect(again.kind === 'missing' && again.keys.map(({ text }) => text)).toEqual([texts[skip]]);
  }
});

test('the outcome does not depend on what else is loaded, nor in which order', () => {
  const world = worldWithReceipts();
  const block = world.build([pay(world, A, B), pay(world, B, C)]);
  const expected = world.apply(block);
  expect(applyBlock(world.loadAll(), block, world.context())).toEqual(expected);
  const keys = [...world.records.values()].map(({ key }) => key);
  const loaded = new LoadedState();
  world.load(keys.toReversed(), loaded);
  for (;;) {
    const result = applyBlock(loaded, block, world.context());
    if (result.kind !== 'missing') {
      expect(result).toEqual(expected);
      break;
    }
    world.load(result.keys.toReversed(), loaded);
  }
});

test('a transaction that is refused takes nonce and fee and leaves no other trace', () => {
  const world = new World({ balances: { [A]: [[0, 10n]] }, params: { feePerTransaction: 1n } });
  const parameters = { to: ownerOf(B), amounts: [[0, 10n]] };
  const { outcomes, changes } = world.step([world.sign(A, 0, { kind: 'transfer', parameters }, { fee: 3n })]);
  expect(outcomes).toMatchObject([{ kind: 'transaction', refusal: 'insufficient-balance', messages: [] }]);
  expect(changes.map(({ key }) => key.kind).sort()).toEqual(['account', 'fees']);
  expect(world.balances(A)).toEqual([[0, 7n]]);
  expect(world.nonce(A)).toBe(1);
});

test('the same chain applied again has the same states', () => {
  const world = worldWithReceipts();
  const twin = new World({ shardBits: 2, balances: { [A]: RICH, [B]: RICH, [C]: RICH } });
  for (let block = 0; block < 4; block++) world.step([pay(world, A, B), pay(world, B, C)]);
  for (const block of world.blocks) {
    twin.accept(block);
  }
  expect(twin.root()).toBe(world.root());
});
