import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compare, equal, toHex } from '../../src/base/bytes.ts';
import { epochDigest, type EpochRecord, type Member } from '../../src/base/epoch.ts';
import type { Digest, Epoch, NodeId, ShardId } from '../../src/base/ids.ts';
import { epochSeed } from '../../src/consensus/beacon.ts';
import { proposerSchedule } from '../../src/consensus/proposer.ts';
import { rank, shardMembers } from '../../src/replication/placement.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { debit } from '../../src/shards/account.ts';
import { bondsOf, unbondingOf } from '../../src/shards/bonds.ts';
import { churnBudget } from '../../src/shards/churn.ts';
import { borderTouches, closeEpoch, scheduleOf } from '../../src/shards/epoch-border.ts';
import { currentEpochRecord } from '../../src/shards/storage-members.ts';
import { epochStateOf, firstKept, lastHeightOf, startOf } from '../../src/shards/epoch-state.ts';
import { collectFees, feesIn } from '../../src/shards/fees.ts';
import { admissionSeedOf } from '../../src/shards/members.ts';
import { nodeOf } from '../../src/shards/node.ts';
import { allRegistrations } from '../../src/shards/node-index.ts';
import { bond } from '../../src/shards/operations/bond.ts';
import { changeNode } from '../../src/shards/operations/change-node.ts';
import { commitBeacon } from '../../src/shards/operations/commit-beacon.ts';
import { delegate } from '../../src/shards/operations/delegate.ts';
import { registerNode } from '../../src/shards/operations/register-node.ts';
import { rekeyNode } from '../../src/shards/operations/rekey-node.ts';
import { reportEvidence } from '../../src/shards/operations/report-evidence.ts';
import { retireNode } from '../../src/shards/operations/retire-node.ts';
import { unbond } from '../../src/shards/operations/unbond.ts';
import { unjail } from '../../src/shards/operations/unjail.ts';
import { withdraw } from '../../src/shards/operations/withdraw.ts';
import { parametersOf } from '../../src/shards/parameters.ts';
import {
  contributorOf,
  countTransactions,
  turnsOf,
  recordBlock,
  resetTurns,
} from '../../src/shards/turns.ts';
import { stakeOf } from '../../src/shards/stake.ts';
import { supplyOf } from '../../src/shards/supply.ts';
import { asValidatorSet, entriesOf } from '../../src/shards/validator-sets.ts';
import { LoadedState, MissingRecords, Overlay } from '../../src/shards/view.ts';
import { digestFrom } from '../helpers/records.ts';
import { amnesia, doubleVote, here, report } from './evidence-kit.ts';
import {
  accountNamed,
  idOf,
  Ledger,
  nameOf,
  NETWORK,
  PLAIN,
  registration,
  TEST_PARAMETERS,
} from './stake-kit.ts';

const recordBy = (ledger: Ledger, index: number, missed: readonly number[] = []): void => {
  const facts = { proposer: index, reveal: null, missed };
  expect(ledger.write((state) => recordBlock(state, ledger.block, facts))).toBe(undefined);
};
const indexIn = (ledger: Ledger, name: string): number =>
  ledger.set(ledger.epoch).findIndex((entry) => nameOf(entry.registration) === name);
const currentRecord = (ledger: Ledger): EpochRecord => currentEpochRecord(ledger.view, NETWORK);

describe('the epoch that ends', () => {
  test('who missed more than half of its turns is slashed a little, jailed, and paid nothing', () => {
    const ledger = new Ledger({
      stakes: [100_000n, 100_000n, 100_000n, 100_000n],
      parameters: { rewardPerEpoch: 4000n },
    });
    const index = indexIn(ledger, 'n0');
    for (let turn = 0; turn < 4; turn++) recordBy(ledger, (index + 1) % 4, [index]);
    recordBy(ledger, index);
    const closing = ledger.close();
    expect(closing.jailed).toEqual([idOf('n0')]);
    expect(ledger.node('n0')).toMatchObject({ isJailed: true, jailedUntil: 2, bonded: [[0, 99_990n]] });
    expect(ledger.node('n1').bonded).toEqual([[0, 101_000n]]);
    expect(ledger.powers(2).has('n0')).toBe(false);
  });

  test('a few missed turns are no offence, nor is half of many', () => {
    const ledger = new Ledger();
    const index = indexIn(ledger, 'n0');
    for (let turn = 0; turn < 3; turn++) recordBy(ledger, (index + 1) % 4, [index]);
    expect(ledger.close().jailed).toEqual([]);
    for (let turn = 0; turn < 4; turn++) recordBy(ledger, index, [index]);
    expect(ledger.close().jailed).toEqual([]);
  });

  test('turns are counted for the node, whatever key it has at the border', () => {
    const ledger = new Ledger();
    ledger.close();
    const index = indexIn(ledger, 'n0');
    const { proof } = registration('new', 'o0');
    expect(ledger.run('o0', rekeyNode, { node: idOf('n0'), key: idOf('new'), proof })).toBe(undefined);
    for (let turn = 0; turn < 4; turn++) recordBy(ledger, (index + 1) % 4, [index]);
    expect(ledger.close().jailed).toEqual([idOf('n0')]);
    expect(ledger.node('new').isJailed).toBe(true);
  });

  test('fees come first, tokens are made for the rest; by power, and among owners by stake', () => {
    const ledger = new Ledger({ stakes: [1000n, 3000n], parameters: { rewardPerEpoch: 300n } });
    ledger.run('o0', changeNode, { node: idOf('n0'), data: PLAIN });
    ledger.run('alice', delegate, { node: idOf('n0'), amounts: [[0, 1000n]] });
    ledger.write((state) => {
      expect(debit(state, accountNamed('bob'), [[0, 103n]])).toBe(true);
      collectFees(state, 103n);
    });
    ledger.close();
    // Of 403, n0 gets 100 for its quarter of the power, which its two owners share; n1 gets 302.
    expect(bondsOf(ledger.view, idOf('n0')).map(({ amounts }) => amounts)).toEqual([
      [[0, 1050n]],
      [[0, 1050n]],
    ]);
    expect(ledger.node('n1').bonded).toEqual([[0, 3302n]]);
    expect(feesIn(ledger.view)).toBe(0n);
    expect(supplyOf(ledger.view).issued).toEqual([[0, 299n]]);
  });

  test('a reward above what there may be of an asset is not made', () => {
    const ledger = new Ledger({
      stakes: [1000n, 1000n],
      balances: [['rich', [[0, 2n ** 60n - 3000n]]]],
      parameters: { rewardPerEpoch: 1001n },
    });
    ledger.close();
    expect(supplyOf(ledger.view).issued).toEqual([]);
    expect(ledger.node('n0').bonded).toEqual([[0, 1000n]]);
  });

  test('a node without the least stake is retired', () => {
    const ledger = new Ledger();
    expect(ledger.run('o0', unbond, { node: idOf('n0'), asset: 0, amount: 960n })).toBe(undefined);
    expect(ledger.close().retired).toEqual([idOf('n0')]);
    expect(allRegistrations(ledger.view).length).toBe(3);
    expect(ledger.node('n0').isRetired).toBe(true);
  });
});

describe('the seed and what follows from it', () => {
  test('seed, schedule and admission can be computed again by anybody', () => {
    const ledger = new Ledger();
    ledger.run('alice', registerNode, registration('a', 'alice'));
    ledger.close();
    const { mix } = turnsOf(ledger.view);
    const closing = ledger.close();
    expect(closing.seed).toEqual(epochSeed(NETWORK, 2 as Epoch, mix, nativeSha256));
    expect(ledger.node('a').admissionSeed).toEqual(admissionSeedOf(closing.seed, idOf('a')));
    const set = asValidatorSet(ledger.set(2));
    expect(scheduleOf(ledger.view, ledger.block)).toEqual(
      proposerSchedule(set, closing.seed, closing.firstHeight, nativeSha256),
    );
    expect(closing.firstHeight).toBe(21);
  });

  test('nobody chooses an admission seed: it depends on a mix that is finished an epoch after the registration', () => {
    const seedWith = (secret: string): string => {
      const ledger = new Ledger();
      ledger.run('alice', registerNode, registration('a', 'alice'));
      ledger.close();
      expect(ledger.node('a').admissionSeed).toBe(null);
      // What others reveal in the epoch after its registration decides.
      ledger.write((state) => resetTurns(state, digestFrom(secret), 4));
      ledger.close();
      return toHex(ledger.node('a').admissionSeed!);
    };
    expect(seedWith('one')).not.toBe(seedWith('another'));
  });

  test('a change of keys moves no piece: the admission seed stays', () => {
    const ledger = new Ledger();
    ledger.close();
    const before = ledger.node('n0').admissionSeed;
    const { proof } = registration('new', 'o0');
    ledger.run('o0', rekeyNode, { node: idOf('n0'), key: idOf('new'), proof });
    ledger.close();
    const member = currentRecord(ledger).members.find(({ node }) => equal(node, idOf('new')));
    expect(member?.admissionSeed).toEqual(before);
  });
});

describe('members', () => {
  test('are in pages and in a digest that chains to the one before', () => {
    const ledger = new Ledger({ stakes: Array.from({ length: 100 }, () => 100n) });
    const first = epochStateOf(ledger.view);
    const closing = ledger.close();
    const now = epochStateOf(ledger.view);
    const record = currentRecord(ledger);
    expect(record.previous).toEqual(first.membersDigest);
    expect(record.members.length).toBe(100);
    expect(closing.membersDigest).toEqual(epochDigest(record));
    expect(now.membersDigest).toEqual(closing.membersDigest);
    expect(record.members).toEqual([...record.members].sort((a, b) => compare(a.node, b.node)));
  });

  test('pages of those who left are gone', () => {
    const ledger = new Ledger({ stakes: Array.from({ length: 50 }, () => 100n) });
    for (let index = 0; index < 5; index++) {
      expect(ledger.run(`o${index}`, retireNode, { node: idOf(`n${index}`) })).toBe(undefined);
    }
    ledger.close();
    const pages = [...ledger.state.records.values()].filter(({ key }) => key.kind === 'members');
    expect(pages.length).toBe(1);
    expect(currentRecord(ledger).members.length).toBe(45);
  });

  test('when one of N joins or leaves, at most its share of what is placed moves', () => {
    const ledger = new Ledger({ stakes: Array.from({ length: 24 }, () => 100n) });
    const before = currentRecord(ledger);
    ledger.run('alice', registerNode, registration('a', 'alice', 100n));
    ledger.close();
    ledger.close();
    const joined = currentRecord(ledger);
    expect(joined.members.length).toBe(25);
    ledger.run('o5', retireNode, { node: idOf('n5') });
    ledger.close();
    const left = currentRecord(ledger);
    const keys = Array.from({ length: 400 }, (_, index) => digestFrom(`segment ${index}`));
    const firstOf = (record: EpochRecord, key: Digest): string =>
      toHex(rank(record.members, 'placement', key)[0]!.node);
    const moved = keys.filter((key) => firstOf(before, key) !== firstOf(joined, key));
    // Whatever moved, moved to the new one, or away from the one that left; nothing changed between others.
    expect(moved.every((key) => firstOf(joined, key) === toHex(idOf('a')))).toBe(true);
    expect(moved.length).toBeLessThan((2 * keys.length) / 25);
    const movedAgain = keys.filter((key) => firstOf(joined, key) !== firstOf(left, key));
    expect(movedAgain.every((key) => firstOf(joined, key) === toHex(idOf('n5')))).toBe(true);
    for (const shardBits of [1, 2]) {
      for (let shard = 0; shard < 2 ** shardBits; shard++) {
        const of = (record: EpochRecord): readonly Member[] =>
          shardMembers({ ...record, params: { ...record.params, shardBits } }, shard as ShardId);
        const names = new Set(of(joined).map(({ node }) => toHex(node)));
        const gone = of(before).filter(({ node }) => !names.has(toHex(node)));
        expect(gone.length).toBeLessThanOrEqual(2);
      }
    }
  });
});

describe('shards', () => {
  test('double when there is much to do and enough members, and only if they may', () => {
    const crowd = Array.from({ length: 8 }, () => 100n);
    const busy = (ledger: Ledger): Ledger => {
      ledger.write((state) => countTransactions(state, 81));
      return ledger;
    };
    expect(busy(new Ledger({ stakes: crowd })).close().shardBits).toBe(1);
    expect(busy(new Ledger({ stakes: crowd.slice(1) })).close().shardBits).toBe(0);
    const ledger = busy(new Ledger({ stakes: crowd }));
    ledger.pass(9);
    expect(closeEpoch(new Overlay(ledger.state), ledger.block, false).shardBits).toBe(0);
  });
});

describe('what is over', () => {
  test('sets are kept as long as evidence is taken, and then forgotten with the start of their epoch', () => {
    const ledger = new Ledger();
    for (let epoch = 0; epoch < 8; epoch++) ledger.close();
    const state = epochStateOf(ledger.view);
    expect(state.epoch).toBe(8);
    // At height 80 the end of epoch 3, before height 41, is more than 30 blocks back, that of epoch 4 is not.
    expect(firstKept(state)).toBe(4);
    expect([3, 4, 9].map((epoch) => entriesOf(ledger.view, epoch) !== undefined)).toEqual([
      false,
      true,
      true,
    ]);
    expect(startOf(state, 4)?.height).toBe(41);
    expect(startOf(state, 3)).toBe(undefined);
  });

  test('chains of keys that nobody proposes with are forgotten, those of others are not', () => {
    const ledger = new Ledger();
    const commit = (operator: string, name: string): void => {
      const action = { node: idOf(name), tip: digestFrom(name), remaining: 9 };
      expect(ledger.run(operator, commitBeacon, action)).toBe(undefined);
    };
    const kept = (): string[] =>
      ['n0', 'n1', 'new', 'a', 'b'].filter((name) => contributorOf(ledger.view, idOf(name)) !== undefined);
    const data = { ...PLAIN, validates: false };
    ledger.run('alice', registerNode, registration('a', 'alice', 100n, data));
    ledger.run('bob', registerNode, registration('b', 'bob', 100n, data));
    for (const [operator, name] of [
      ['o0', 'n0'],
      ['o1', 'n1'],
      ['alice', 'a'],
      ['bob', 'b'],
    ] as const) {
      commit(operator, name);
    }
    ledger.close();
    expect(kept()).toEqual(['n0', 'n1', 'a', 'b']);
    const { proof } = registration('new', 'o0');
    ledger.run('o0', rekeyNode, { node: idOf('n0'), key: idOf('new'), proof });
    commit('o0', 'new');
    const other = registration('a 2', 'alice').proof;
    ledger.run('alice', rekeyNode, { node: idOf('a'), key: idOf('a 2'), proof: other });
    ledger.run('bob', retireNode, { node: idOf('b') });
    expect(kept(), 'who never proposed').toEqual(['n0', 'n1', 'new']);
    ledger.close();
    expect(kept(), 'the old key is in one more set').toEqual(['n0', 'n1', 'new']);
    ledger.close();
    expect(kept()).toEqual(['n1', 'new']);
    ledger.run('o1', retireNode, { node: idOf('n1') });
    for (let epoch = 0; epoch < 3; epoch++) ledger.close();
    expect(kept()).toEqual(['new']);
  });
});

test('a border asks for what it needs in few rounds', () => {
  const ledger = new Ledger({ stakes: Array.from({ length: 40 }, () => 100n) });
  for (let index = 0; index < 40; index++) {
    // Some are poor, some only have something waiting, some are validators and some not.
    const amount = index % 3 === 0 ? 60n : 20n;
    expect(ledger.run(`o${index}`, unbond, { node: idOf(`n${index}`), asset: 0, amount })).toBe(undefined);
  }
  ledger.pass(9);
  const loaded = new LoadedState();
  for (const key of borderTouches(ledger.block)) loaded.add(key, ledger.state.read(key));
  let rounds = 0;
  for (;;) {
    try {
      const overlay = new Overlay(loaded);
      closeEpoch(overlay, ledger.block);
      overlay.changes();
      break;
    } catch (error) {
      if (!(error instanceof MissingRecords)) throw error;
      for (const key of error.keys) loaded.add(key, ledger.state.read(key));
      rounds += 1;
    }
  }
  expect(rounds).toBeLessThanOrEqual(4);
});

// ---- Any life of a network ---------------------------------------------------------------------------------------

type Step =
  | { readonly kind: 'close' }
  | { readonly kind: 'pass'; readonly blocks: number }
  | {
      readonly kind: 'do';
      readonly what: number;
      readonly who: number;
      readonly node: number;
      readonly amount: number;
    };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.constant<Step>({ kind: 'close' }) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1, max: 4 }).map((blocks): Step => ({ kind: 'pass', blocks })),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('do' as const),
        what: fc.nat(10),
        who: fc.nat(5),
        node: fc.nat(6),
        amount: fc.integer({ min: 1, max: 1500 }),
      }),
    },
  ),
  { maxLength: 40 },
);

const WHO = ['o0', 'o1', 'o2', 'o3', 'alice', 'bob'];
const NODES = ['n0', 'n1', 'n2', 'n3', 'x', 'y', 'z'];

function perform(ledger: Ledger, step: Step & { kind: 'do' }, count: number): void {
  const who = WHO[step.who]!;
  const name = NODES[step.node]!;
  const node = idOf(name);
  const amount = BigInt(step.amount);
  const actions = [
    () => ledger.run(who, registerNode, registration(name, who, amount)),
    () => ledger.run(who, bond, { node, amounts: [[0, amount]] }),
    () => ledger.run(who, delegate, { node, amounts: [[step.amount % 2, (amount % 90n) + 1n]] }),
    () => ledger.run(who, unbond, { node, asset: 0, amount }),
    () => ledger.run(who, unbond, { node, asset: 0, amount: ledger.node(name)?.bonded[0]?.[1] ?? 1n }),
    () => ledger.run(who, withdraw, { node }),
    () => ledger.run(who, retireNode, { node }),
    () => {
      const key = `${name} ${count}`;
      return ledger.run(who, rekeyNode, { node, key: idOf(key), proof: registration(key, who).proof });
    },
    () => ledger.run(who, unjail, { node }),
    () => ledger.run(who, changeNode, { node, data: { ...PLAIN, validates: step.amount % 3 > 0 } }),
    () => {
      const guilty = ledger.set(ledger.epoch)[step.node];
      // Rarely: a tombstone is for ever.
      if (guilty === undefined || step.amount % 4 > 0) return undefined;
      const make = step.amount % 8 === 0 ? amnesia : doubleVote;
      const signer = keyOf(guilty.node);
      return signer === undefined
        ? undefined
        : ledger.run(who, reportEvidence, report(make(ledger, signer, here(ledger))));
    },
  ];
  actions[step.what]!();
}

/** The name under which the kit has a key. */
function keyOf(id: NodeId): string | undefined {
  const name = nameOf(id);
  return name === toHex(id) ? undefined : name;
}

test('over any life of a network tokens are conserved, churn is capped, power has stake behind it, sets are settled in time', () => {
  const stake = { ...TEST_PARAMETERS.stake, churnPerMillion: 200_000, validatorsMax: 5 };
  fc.assert(
    fc.property(steps, (life) => {
      // `run` and `close` count the tokens each time.
      const ledger = new Ledger({ parameters: { stake, rewardPerEpoch: 77n } });
      for (const [count, step] of [
        ...life,
        { kind: 'close' } as const,
        { kind: 'close' } as const,
      ].entries()) {
        if (step.kind === 'do') perform(ledger, step, count);
        else if (step.kind === 'close') closeAndCheck(ledger);
        else if (ledger.height + step.blocks < lastHeightOf(epochStateOf(ledger.view)))
          ledger.pass(step.blocks);
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

function closeAndCheck(ledger: Ledger): void {
  const { epoch, view } = ledger;
  const next = ledger.set(epoch + 1);
  expect(entriesOf(view, epoch + 2), 'not before the border').toBe(undefined);
  ledger.close();
  const after = ledger.set(epoch + 2);
  // What stood no more behind a validator of the next epoch had to go at once.
  const parameters = parametersOf(ledger.view);
  let forced = 0n;
  for (const { registration, power } of next) {
    const node = nodeOf(ledger.view, registration)!;
    const isOut = node.isJailed || node.isTombstoned;
    const held = isOut ? 0n : stakeOf(parameters, node.bonded) + heldElsewhere(ledger, registration, epoch);
    forced += power > held ? power - held : 0n;
  }
  const powerIn = (set: typeof after, registration: NodeId): bigint =>
    set.find((entry) => equal(entry.registration, registration))?.power ?? 0n;
  const all = new Map([...next, ...after].map((entry) => [toHex(entry.registration), entry.registration]));
  const moved = [...all.values()].reduce((sum, registration) => {
    const change = powerIn(after, registration) - powerIn(next, registration);
    return sum + (change < 0n ? -change : change);
  }, 0n);
  const before = new Map(next.map(({ registration, power }) => [toHex(registration), power]));
  const budget = churnBudget(before, parameters.stake);
  expect(moved <= (forced > budget ? forced : budget), `${moved} moved of ${budget}, ${forced} forced`).toBe(
    true,
  );
  const isUnchanged = moved === 0n;
  for (const { registration, power } of isUnchanged ? [] : after) {
    const node = nodeOf(ledger.view, registration)!;
    const held = stakeOf(parameters, node.bonded) + stakeOf(parameters, node.waiting);
    expect(power <= held, 'power has stake behind it that is not let go').toBe(true);
    expect(node.isTombstoned || node.isJailed).toBe(false);
  }
}

/** What waited at this border, let go by it or not. */
function heldElsewhere(ledger: Ledger, registration: NodeId, epoch: number): bigint {
  const parameters = parametersOf(ledger.view);
  return unbondingOf(ledger.view, registration)
    .filter(({ lastEpoch }) => lastEpoch === null || lastEpoch === epoch + 1)
    .reduce((sum, { asset, amount }) => sum + stakeOf(parameters, [[asset, amount]]), 0n);
}

test('the set of e + 2 depends on the state at the end of e alone', () => {
  fc.assert(
    fc.property(steps, fc.nat(5), (later, who) => {
      const ledger = new Ledger();
      ledger.run('alice', registerNode, registration('a', 'alice', 333n));
      ledger.close();
      const settled = ledger.powers(2);
      for (const [count, step] of later.entries()) if (step.kind === 'do') perform(ledger, step, count);
      ledger.run(WHO[who]!, bond, { node: idOf(NODES[who % 4]!), amounts: [[0, 100n]] });
      expect(ledger.powers(2)).toEqual(settled);
      ledger.close();
      expect(ledger.powers(2)).toEqual(settled);
    }),
    { numRuns: 25 },
  );
}, 60_000);

test('bonds of many owners in any order give the same set', () => {
  const owners = ['alice', 'bob', 'carol', 'o1', 'o2'];
  const setAfter = (order: readonly string[]): ReadonlyMap<string, bigint> => {
    const ledger = new Ledger();
    ledger.run('o0', changeNode, { node: idOf('n0'), data: PLAIN });
    for (const owner of order) {
      const amounts = [[0, 100n * BigInt(owners.indexOf(owner) + 1)]] as const;
      expect(ledger.run(owner, delegate, { node: idOf('n0'), amounts })).toBe(undefined);
    }
    ledger.close();
    return ledger.powers(2);
  };
  fc.assert(
    fc.property(fc.shuffledSubarray(owners, { minLength: 5, maxLength: 5 }), (order) => {
      expect(setAfter(order)).toEqual(setAfter(owners));
    }),
    { numRuns: 10 },
  );
});
