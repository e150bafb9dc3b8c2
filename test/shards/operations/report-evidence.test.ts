// The rules of slashing as whoever reports sees them. "Pitfalls": five ways in which others let the guilty go.

import { describe, expect, test } from 'vitest';
import type { Epoch } from '../../../src/base/ids.ts';
import { jail, nodeWithKey } from '../../../src/shards/node.ts';
import { bond } from '../../../src/shards/operations/bond.ts';
import { changeNode } from '../../../src/shards/operations/change-node.ts';
import { delegate } from '../../../src/shards/operations/delegate.ts';
import { registerNode } from '../../../src/shards/operations/register-node.ts';
import { rekeyNode } from '../../../src/shards/operations/rekey-node.ts';
import { reportEvidence } from '../../../src/shards/operations/report-evidence.ts';
import { retireNode } from '../../../src/shards/operations/retire-node.ts';
import { unbond } from '../../../src/shards/operations/unbond.ts';
import { unjail } from '../../../src/shards/operations/unjail.ts';
import { withdraw } from '../../../src/shards/operations/withdraw.ts';
import { amnesia, attack, doubleProposal, doubleVote, here, report } from '../evidence-kit.ts';
import { idOf, Ledger, PLAIN, registration, TEST_PARAMETERS } from '../stake-kit.ts';

const rekey = (node: string, key: string, operator: string) => ({
  node: idOf(node),
  key: idOf(key),
  proof: registration(key, operator).proof,
});
const native = (ledger: Ledger, name: string): bigint => ledger.node(name).bonded[0]?.[1] ?? 0n;

describe('what an offence costs', () => {
  test('two votes: 5 % and three times its share of power, out for good, a tenth of it to the reporter', () => {
    const ledger = new Ledger({ stakes: [1000n, 1000n, 1000n, 7000n] });
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    // 5 % + 3 x 10 %.
    expect(native(ledger, 'n0')).toBe(650n);
    expect(ledger.balance('alice')).toBe(10_035n);
    expect(ledger.node('n0').isTombstoned).toBe(true);
    ledger.close();
    expect(ledger.powers(2).has('n0')).toBe(false);
  });

  test('amnesia and attacks on light clients: everything', () => {
    const ledger = new Ledger();
    expect(ledger.run('alice', reportEvidence, report(amnesia(ledger, 'n0')))).toBe(undefined);
    expect(native(ledger, 'n0')).toBe(0n);
    expect(ledger.run('bob', reportEvidence, report(attack(ledger)))).toBe(undefined);
    expect(['n1', 'n2', 'n3'].map((name) => native(ledger, name))).toEqual([0n, 0n, 0n]);
    // One receipt for all three.
    expect(ledger.balance('bob')).toBe(10_300n);
  });

  test('a third that acts together loses all, whoever is reported first', () => {
    const stakes = [1000n, 1000n, 1000n, 1000n, 2000n];
    const run = (order: readonly string[]): bigint[] => {
      const ledger = new Ledger({ stakes });
      for (const name of order) {
        expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, name)))).toBe(undefined);
      }
      ledger.close();
      return ['n0', 'n1'].map((name) => native(ledger, name));
    };
    // 5 % + 3 x 2 / 6, above everything.
    expect(run(['n0', 'n1'])).toEqual([0n, 0n]);
    expect(run(['n1', 'n0'])).toEqual([0n, 0n]);
  });

  test('those who slipped in one unbonding pay alike in the end, to a token of rounding', () => {
    const stakes = [1000n, 1000n, 38_000n];
    const ledger = new Ledger({ stakes });
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    expect(native(ledger, 'n0')).toBe(875n);
    ledger.close();
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n1')))).toBe(undefined);
    ledger.close();
    // 5 % + 3 x 5 %.
    expect(['n0', 'n1'].map((name) => native(ledger, name))).toEqual([800n, 800n]);
  });

  test('what comes after an unbonding is another affair', () => {
    const ledger = new Ledger({ stakes: [1000n, 1000n, 38_000n] });
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    for (let epoch = 0; epoch < 5; epoch++) ledger.close();
    const share = (ledger.powers(5).get('n1')! * 1_000_000n) / 39_000n;
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n1')))).toBe(undefined);
    expect(native(ledger, 'n1')).toBe(1000n - (1000n * (50_000n + 3n * share)) / 1_000_000n);
    expect(native(ledger, 'n0')).toBe(875n);
  });

  test('all who stood behind the node pay alike: bonded, waiting, unbonding, in every asset', () => {
    const ledger = new Ledger({ stakes: [1000n, 1000n, 1000n, 7000n] });
    const node = idOf('n0');
    ledger.run('o0', changeNode, { node, data: PLAIN });
    ledger.run('bob', delegate, {
      node,
      amounts: [
        [0, 400n],
        [1, 40n],
      ],
    });
    ledger.run('o0', unbond, { node, asset: 0, amount: 500n });
    ledger.close();
    ledger.run('bob', unbond, { node, asset: 0, amount: 200n });
    ledger.pass(2);
    // In epoch 1 its set power is 1000 of 10000.
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    expect(ledger.node('n0')).toMatchObject({
      bonded: [
        [0, 455n],
        [1, 26n],
      ],
      waiting: [[0, 130n]],
    });
    for (let epoch = 0; epoch < 6; epoch++) ledger.close();
    ledger.pass(1);
    expect(ledger.run('o0', withdraw, { node })).toBe(undefined);
    expect(ledger.balance('o0')).toBe(10_000n + 325n);
  });

  test('stake that backed only earlier epochs is not liable', () => {
    const ledger = new Ledger({ stakes: [1000n, 1000n, 1000n, 7000n] });
    const node = idOf('n0');
    ledger.run('o0', unbond, { node, asset: 0, amount: 500n });
    ledger.close();
    ledger.close();
    expect(ledger.epoch).toBe(2);
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    for (let epoch = 0; epoch < 5; epoch++) ledger.close();
    expect(ledger.run('o0', withdraw, { node })).toBe(undefined);
    expect(ledger.balance('o0')).toBe(10_500n);
  });
});

describe('nobody answers twice for the same', () => {
  test('whatever the form of the evidence', () => {
    const ledger = new Ledger({ stakes: [1000n, 1000n, 1000n, 7000n] });
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    expect(ledger.run('bob', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe('already-exists');
    const later = { ...here(ledger), round: 4 };
    expect(ledger.run('bob', reportEvidence, report(doubleVote(ledger, 'n0', later)))).toBe('already-exists');
    expect(ledger.run('bob', reportEvidence, report(doubleProposal(ledger, 'n0')))).toBe('already-exists');
    expect(native(ledger, 'n0')).toBe(650n);
    expect(ledger.balance('bob')).toBe(10_000n);
  });

  test('but a slip that is reported first does not hide an attack', () => {
    const ledger = new Ledger();
    expect(ledger.run('o0', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    expect(ledger.run('alice', reportEvidence, report(amnesia(ledger, 'n0')))).toBe(undefined);
    expect(native(ledger, 'n0')).toBe(0n);
    expect(ledger.run('alice', reportEvidence, report(amnesia(ledger, 'n0')))).toBe('already-exists');
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe('already-exists');
  });
});

describe('pitfalls', () => {
  test('evidence against an old key reaches the node under its new one', () => {
    const ledger = new Ledger();
    ledger.close();
    const at = here(ledger);
    expect(ledger.run('o0', rekeyNode, rekey('n0', 'new', 'o0'))).toBe(undefined);
    ledger.close();
    ledger.close();
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0', at)))).toBe(undefined);
    expect(nodeWithKey(ledger.view, idOf('new'))).toMatchObject({ isTombstoned: true, bonded: [[0, 200n]] });
    ledger.close();
    expect(ledger.powers(5).has('n0')).toBe(false);
  });

  test('offences under two keys of one node are not two first offences', () => {
    const ledger = new Ledger();
    ledger.close();
    const at = here(ledger);
    expect(ledger.run('o0', rekeyNode, rekey('n0', 'new', 'o0'))).toBe(undefined);
    ledger.close();
    ledger.close();
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0', at)))).toBe(undefined);
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'new')))).toBe('already-exists');
  });

  test('a change of keys clears neither jail nor tombstone', () => {
    const ledger = new Ledger();
    ledger.close();
    ledger.write((state) => jail(state, ledger.node('n1'), 9 as Epoch));
    expect(ledger.run('o1', rekeyNode, rekey('n1', 'other', 'o1'))).toBe(undefined);
    expect(ledger.run('o1', unjail, { node: idOf('other') })).toBe('too-early');
    expect(ledger.run('o1', registerNode, registration('fresh', 'o1'))).toBe('jailed');
    expect(ledger.run('o1', retireNode, { node: idOf('n1') })).toBe(undefined);
    expect(ledger.run('o1', registerNode, registration('fresh', 'o1')), 'retired').toBe('jailed');
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    expect(ledger.run('o0', rekeyNode, rekey('n0', 'clean', 'o0'))).toBe('tombstoned');
    expect(ledger.run('o0', unjail, { node: idOf('n0') })).toBe('tombstoned');
    expect(ledger.run('o0', bond, { node: idOf('n0'), amounts: [[0, 100n]] })).toBe('tombstoned');
    expect(ledger.run('o0', registerNode, registration('fresh', 'o0'))).toBe('tombstoned');
    ledger.close();
    ledger.close();
    expect(ledger.powers(4).has('n0')).toBe(false);
  });

  test('one node at fault takes all nodes of its operator out, and only its own stake', () => {
    const ledger = new Ledger({ operators: ['o0', 'o0', 'o2', 'o3'] });
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    expect(native(ledger, 'n1')).toBe(1000n);
    const closing = ledger.close();
    expect([...ledger.powers(2).keys()].sort()).toEqual(['n2', 'n3']);
    expect(closing.memberCount).toBe(2);
    // And each answers for what it does itself.
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n1')))).toBe(undefined);
    expect(native(ledger, 'n1') < 1000n).toBe(true);
  });

  test('retirement and unbonding do not outrun evidence', () => {
    const ledger = new Ledger();
    const at = here(ledger);
    expect(ledger.run('o0', unbond, { node: idOf('n0'), asset: 0, amount: 1000n })).toBe(undefined);
    expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe(undefined);
    // The last moment: height 41, 30 blocks after the end of epoch 0 at height 11.
    for (let epoch = 0; epoch < 4; epoch++) ledger.close();
    expect(ledger.height).toBe(41);
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0', at)))).toBe(undefined);
    for (let epoch = 0; epoch < 3; epoch++) ledger.close();
    expect(ledger.run('o0', withdraw, { node: idOf('n0') })).toBe(undefined);
    expect(ledger.balance('o0')).toBe(10_200n);
  });

  test('a tombstone takes power at once although the churn cap is small', () => {
    const stake = { ...TEST_PARAMETERS.stake, churnPerMillion: 1 };
    const ledger = new Ledger({ parameters: { stake } });
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0')))).toBe(undefined);
    expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe(undefined);
    ledger.close();
    expect(ledger.powers(2).has('n0')).toBe(false);
  });

  test('nor does retirement before the offence of a sister node keep it', () => {
    const stake = { ...TEST_PARAMETERS.stake, churnPerMillion: 1 };
    const ledger = new Ledger({ parameters: { stake }, operators: ['o0', 'o0', 'o2', 'o3'] });
    expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe(undefined);
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n1')))).toBe(undefined);
    ledger.close();
    expect([...ledger.powers(2).keys()].sort()).toEqual(['n2', 'n3']);
  });
});

describe('evidence', () => {
  test('is too old only when both ages are above the limits', () => {
    const evidenceAfter = (epochs: number, timeMs: number): string | undefined => {
      const ledger = new Ledger();
      const place = here(ledger);
      const started = ledger.timeMs;
      for (let epoch = 0; epoch < epochs; epoch++) {
        ledger.close();
        ledger.timeMs = started;
      }
      ledger.pass(1);
      ledger.timeMs = started + timeMs;
      return ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0', place)));
    };
    expect(evidenceAfter(3, 1_000_000), 'few blocks, much time').toBe(undefined);
    expect(evidenceAfter(8, 0), 'many blocks, no time').toBe(undefined);
    expect(evidenceAfter(4, 1_000_000), 'both').toBe('too-late');
  });

  test('is refused from the future, from strangers, forged, or when it convicts nobody', () => {
    const ledger = new Ledger();
    const future = { height: ledger.height + 1, epoch: 0 };
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0', future)))).toBe('too-early');
    const beyond = { height: 11, epoch: 0 };
    expect(ledger.run('alice', reportEvidence, report(doubleVote(ledger, 'n0', beyond)))).toBe('too-early');
    const stranger = doubleVote(ledger, 'n0');
    if (stranger.kind !== 'double-vote') throw new Error('another kind');
    const renamed = (validator: number) => ({
      ...stranger,
      first: { ...stranger.first, validator },
      second: { ...stranger.second, validator },
    });
    const other = (stranger.first.validator + 1) % 4;
    expect(ledger.run('alice', reportEvidence, report(renamed(4)))).toBe('invalid-evidence');
    expect(ledger.run('alice', reportEvidence, report(renamed(other)))).toBe('invalid-evidence');
    expect(ledger.run('alice', reportEvidence, { evidence: new Uint8Array(5) })).toBe('invalid-evidence');
    expect(ledger.run('alice', reportEvidence, report(attack(ledger, here(ledger), 1)))).toBe(
      'invalid-evidence',
    );
    expect([0, 1, 2, 3].map((index) => native(ledger, `n${index}`))).toEqual([1000n, 1000n, 1000n, 1000n]);
  });

  test('by the set of another epoch proves nothing', () => {
    const ledger = new Ledger();
    ledger.run('alice', registerNode, registration('a', 'alice'));
    ledger.close();
    ledger.close();
    expect(ledger.powers(2).has('a')).toBe(true);
    // Said for a height of epoch 0, when it had no vote.
    const evidence = doubleVote(ledger, 'a', { height: 5, epoch: 2 });
    expect(ledger.run('bob', reportEvidence, report(evidence))).toBe('invalid-evidence');
  });
});
