import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Digest, Epoch } from '../../src/base/ids.ts';
import { type AnchorText, signAnchor } from '../../src/proofs/anchor.ts';
import type { NodeCounts } from '../../src/proofs/results.ts';
import { debit } from '../../src/shards/account.ts';
import { anchorOf } from '../../src/shards/anchors.ts';
import {
  type AuditGroup,
  auditGroup,
  auditGroups,
  auditRoundsOf,
  auditRule,
  groupSize,
} from '../../src/shards/audit-rounds.ts';
import { DEFAULT_AUDIT } from '../../src/shards/audit-rules.ts';
import { epochStateOf, lastHeightOf } from '../../src/shards/epoch-state.ts';
import { addDeposit, earnedIn, escrowOf } from '../../src/shards/escrow.ts';
import type { RefusalCode } from '../../src/shards/operation.ts';
import { anchorAudit, type AnchorAudit } from '../../src/shards/operations/anchor-audit.ts';
import { returnNode } from '../../src/shards/operations/return-node.ts';
import { retireNode } from '../../src/shards/operations/retire-node.ts';
import { provenGib, standingOf, stateOf } from '../../src/shards/standing.ts';
import { supplyOf } from '../../src/shards/supply.ts';
import { digestFrom } from '../helpers/records.ts';
import {
  accountNamed,
  idOf,
  keyNamed,
  Ledger,
  type LedgerOptions,
  nameOf,
  NETWORK,
  TEST_PARAMETERS,
} from './stake-kit.ts';

/** Rounds of three seconds, and a short ladder. */
const AUDIT = {
  ...DEFAULT_AUDIT,
  roundMs: 3000,
  seats: 7,
  roundsKept: 3,
  suspendRounds: 2,
  lostRounds: 3,
  expelRounds: 5,
};

class Audited extends Ledger {
  constructor(options: LedgerOptions = {}, audit: Partial<typeof AUDIT> = {}) {
    super({ ...options, parameters: { ...options.parameters, audit: { ...AUDIT, ...audit } } });
    this.open();
  }

  /** What the opening of a block does about audits. */
  open(): void {
    this.write((state) => {
      const inputs = { proposer: idOf('n0'), reveal: null, evidence: [], lastCommit: null };
      const rest = { transactions: 0, send: () => true, canReshape: true, reshape: () => undefined };
      expect(auditRule.apply({ block: this.block, state, inputs, ...rest })).toBeUndefined();
    });
  }

  /** Blocks go by, and each opens. */
  goOn(blocks: number): void {
    for (let block = 0; block < blocks; block++) {
      if (this.height === lastHeightOf(epochStateOf(this.view))) this.close();
      else this.pass(1);
      this.open();
    }
  }

  /** Until the next round has begun. */
  nextRound(): void {
    const { round } = this.round;
    while (this.round.round === round) this.goOn(1);
  }

  get round(): AuditGroup['round'] {
    return auditRoundsOf(this.view).at(-1)!;
  }

  group(group = 0, round = this.round): AuditGroup {
    return auditGroup(this.view, this.block, round, group)!;
  }

  /** An anchor with these counts for the nodes named, and all held for the others. */
  anchorOf(counts: Readonly<Record<string, NodeCounts>> = {}, group = this.group()): AnchorText {
    const all = group.nodes.map((node) => counts[nameOf(node)] ?? { asked: 32, failed: 0, heldKib: 1024 });
    return {
      network: NETWORK,
      round: group.round.round,
      group: group.group,
      count: all.reduce((sum, { asked }) => sum + asked, 0),
      root: digestFrom('results'),
      counts: all,
    };
  }

  /** With the signatures of all who have seats, or of those named. */
  signed(text: AnchorText, signers?: readonly string[], group = this.group()): AnchorAudit {
    const { network: _network, ...body } = text;
    const auditors = this.set(this.epoch).flatMap(({ node }, auditor) => {
      const isWanted = signers?.includes(nameOf(node)) ?? group.seats[auditor]! > 0;
      return isWanted ? [{ auditor, signature: signAnchor(text, keyNamed(nameOf(node))) }] : [];
    });
    return { ...body, signatures: auditors };
  }

  anchor(counts: Readonly<Record<string, NodeCounts>> = {}): RefusalCode | undefined {
    return this.run('anybody', anchorAudit, this.signed(this.anchorOf(counts)));
  }

  standing(name: string): ReturnType<typeof standingOf> {
    return standingOf(this.view, idOf(name));
  }
}

const SILENT: NodeCounts = { asked: 32, failed: 32, heldKib: 2048 };
const LOSSY: NodeCounts = { asked: 32, failed: 8, heldKib: 4096 };

describe('rounds', () => {
  test('begin when it is time, and with each epoch; they are counted and the last few kept', () => {
    const ledger = new Audited();
    const seen: number[] = [];
    for (let block = 0; block < 40; block++) {
      const { round } = ledger.round;
      ledger.goOn(1);
      if (ledger.round.round === round) continue;
      expect(ledger.round.round).toBe(round + 1);
      expect(ledger.round.height).toBe(ledger.height);
      expect(ledger.round.epoch).toBe(ledger.epoch);
      seen.push(ledger.height);
    }
    // Three blocks of a second each, and the first of every ten.
    for (const height of [11, 21, 31]) expect(seen).toContain(height);
    expect(seen.length).toBeGreaterThan(12);
    expect(auditRoundsOf(ledger.view).map(({ round }) => round)).toEqual([
      ledger.round.round - 2,
      ledger.round.round - 1,
      ledger.round.round,
    ]);
  });

  test('have seeds of their own', () => {
    const ledger = new Audited();
    ledger.goOn(9);
    const seeds = new Set(auditRoundsOf(ledger.view).map(({ seed }) => toHex(seed)));
    expect(seeds.size).toBe(3);
  });

  test('audit every member in one group, whose seats follow power', () => {
    const stakes = [4000n, ...Array.from({ length: 9 }, () => 1000n)];
    const ledger = new Audited(
      { stakes, parameters: { stake: { ...TEST_PARAMETERS.stake, validatorsMax: 20 } } },
      { groupNodes: 4, seats: 13 },
    );
    expect(ledger.round.groups).toBe(3);
    const groups = [0, 1, 2].map((group) => ledger.group(group));
    const audited = groups.flatMap(({ nodes }) => nodes.map(nameOf));
    expect(audited.toSorted()).toEqual(Array.from({ length: 10 }, (_, index) => `n${index}`).toSorted());
    expect(groups.map(({ nodes }) => nodes.length).toSorted((a, b) => a - b)).toEqual([3, 3, 4]);
    const index = ledger.set(ledger.epoch).findIndex(({ node }) => nameOf(node) === 'n0');
    for (const { seats } of groups) {
      expect(seats.reduce((sum, each) => sum + each, 0)).toBe(13);
      // 4000 of 13000 of thirteen seats.
      expect(seats[index]).toBe(4);
    }
    expect(auditGroup(ledger.view, ledger.block, ledger.round, 3)).toBeUndefined();
    expect([...auditGroups(ledger.view, ledger.block, ledger.round)]).toEqual(groups);
    expect(groups.map(({ group }) => groupSize(ledger.view, ledger.round, group))).toEqual(
      groups.map(({ nodes }) => nodes.length),
    );
    const old = { ...ledger.round, epoch: 7 as Epoch };
    expect([...auditGroups(ledger.view, ledger.block, old)]).toEqual([]);
  });
});

describe('an anchor', () => {
  test('is kept with who signed it, and moves the standing of every node of the group', () => {
    const ledger = new Audited();
    expect(ledger.anchor({ n1: LOSSY, n2: SILENT })).toBeUndefined();
    const { round, height } = ledger.round;
    expect(anchorOf(ledger.view, round, 0)).toMatchObject({ count: 128, root: digestFrom('results') });
    expect(ledger.standing('n0')).toMatchObject({
      round,
      provenHeight: height,
      silentRounds: 0,
      heldKib: 1024,
    });
    expect(ledger.standing('n1')).toMatchObject({ provenHeight: 0, silentRounds: 0, asked: 32, failed: 8 });
    expect(ledger.standing('n2')).toMatchObject({ provenHeight: 0, silentRounds: 1, heldKib: 1 });
    expect(ledger.standing('n0').score).toBe(1_000_000);
    expect(ledger.standing('n2').score).toBeLessThan(ledger.standing('n1').score);
  });

  test('comes once for a group, and only with more than two thirds of the seats', () => {
    const ledger = new Audited();
    const text = ledger.anchorOf();
    const send = (action: AnchorAudit) => ledger.run('anybody', anchorAudit, action);
    expect(send(ledger.signed(text, ['n0', 'n1']))).toBe('invalid-certificate');
    const other = ledger.signed({ ...text, root: digestFrom<Digest>('other') });
    expect(send({ ...ledger.signed(text), signatures: other.signatures })).toBe('invalid-certificate');
    expect(send({ ...ledger.signed(text), counts: text.counts.slice(1) })).toBe('invalid-argument');
    expect(send({ ...ledger.signed(text), group: 1 })).toBe('invalid-argument');
    expect(send({ ...ledger.signed(text), signatures: [] })).toBe('invalid-certificate');
    const [first] = ledger.signed(text).signatures;
    expect(send({ ...ledger.signed(text), signatures: [{ ...first!, auditor: 99 }] })).toBe(
      'invalid-certificate',
    );
    expect(send(ledger.signed(text))).toBeUndefined();
    expect(send(ledger.signed(text))).toBe('already-exists');
  });

  test('of a round that is forgotten, to come, or of an epoch that is over, is too late', () => {
    const ledger = new Audited();
    const text = ledger.anchorOf();
    const action = ledger.signed(text);
    const send = (sent: AnchorAudit) => ledger.run('anybody', anchorAudit, sent);
    expect(send({ ...action, round: action.round + 1 })).toBe('too-late');
    ledger.close();
    ledger.open();
    expect(send(action)).toBe('too-late');
  });

  test('is forgotten with its round', () => {
    const ledger = new Audited();
    expect(ledger.anchor()).toBeUndefined();
    const { round } = ledger.round;
    for (let rounds = 0; rounds < AUDIT.roundsKept; rounds++) {
      expect(anchorOf(ledger.view, round, 0)).toBeDefined();
      ledger.nextRound();
    }
    expect(anchorOf(ledger.view, round, 0)).toBeUndefined();
  });
});

describe('silence', () => {
  test('leads from good to suspended, lost and expelled; one answer ends it', () => {
    const ledger = new Audited();
    const states: string[] = [];
    for (let round = 0; round < 5; round++) {
      expect(ledger.anchor({ n3: SILENT })).toBeUndefined();
      states.push(stateOf(ledger.standing('n3'), AUDIT));
      ledger.nextRound();
    }
    expect(states).toEqual(['good', 'suspended', 'lost', 'lost', 'expelled']);
    expect(ledger.anchor({ n3: LOSSY })).toBeUndefined();
    expect(stateOf(ledger.standing('n3'), AUDIT)).toBe('good');
  });

  test('of a node that is asked for nothing neither grows nor ends', () => {
    const ledger = new Audited();
    const nothing = { asked: 0, failed: 0, heldKib: 0 };
    expect(ledger.anchor({ n3: nothing })).toBeUndefined();
    expect(ledger.standing('n3')).toMatchObject({ silentRounds: 0, score: 1_000_000 });
    ledger.nextRound();
    expect(ledger.anchor({ n3: SILENT })).toBeUndefined();
    ledger.nextRound();
    expect(ledger.anchor({ n3: nothing })).toBeUndefined();
    expect(ledger.standing('n3')).toMatchObject({ silentRounds: 1, heldKib: 0 });
  });

  test('of a node whose data went to others ends when its operator says so, and of no other', () => {
    const ledger = new Audited();
    const back = (by = 'o3') => ledger.run(by, returnNode, { node: idOf('n3') });
    expect(back()).toBe('condition-failed');
    expect(ledger.anchor({ n3: { asked: 32, failed: 0, heldKib: 5 } })).toBeUndefined();
    ledger.nextRound();
    expect(ledger.anchor({ n3: SILENT })).toBeUndefined();
    expect(back()).toBe('condition-failed');
    ledger.nextRound();
    expect(ledger.anchor({ n3: { asked: 0, failed: 0, heldKib: 0 } })).toBeUndefined();
    expect(back('o2')).toBe('not-the-operator');
    expect(back()).toBeUndefined();
    expect(ledger.standing('n3').silentRounds).toBe(0);
  });

  test('of a node that has never shown anything, and holds something, does not end by a word of its operator', () => {
    const ledger = new Audited();
    const back = () => ledger.run('o3', returnNode, { node: idOf('n3') });
    for (let round = 0; round < 3; round++) {
      expect(ledger.anchor({ n3: SILENT })).toBeUndefined();
      expect(back()).toBe('condition-failed');
      ledger.nextRound();
    }
    expect(stateOf(ledger.standing('n3'), AUDIT)).toBe('lost');
    // All has gone to others; it gets something again, and is silent again.
    expect(ledger.anchor({ n3: { asked: 0, failed: 0, heldKib: 0 } })).toBeUndefined();
    expect(back()).toBeUndefined();
    ledger.nextRound();
    expect(ledger.anchor({ n3: SILENT })).toBeUndefined();
    expect(back()).toBe('condition-failed');
    expect(provenGib(ledger.standing('n3'), AUDIT)).toBe(0);
  });

  test('is what the newest round says, in whatever order the anchors come', () => {
    const ledger = new Audited({}, { roundsKept: 4 });
    const rounds = [ledger.group()];
    for (let more = 0; more < 2; more++) {
      ledger.nextRound();
      rounds.push(ledger.group());
    }
    const [first, second, third] = rounds as [AuditGroup, AuditGroup, AuditGroup];
    const hand = (group: AuditGroup, counts: Readonly<Record<string, NodeCounts>>) =>
      ledger.run('anybody', anchorAudit, ledger.signed(ledger.anchorOf(counts, group), undefined, group));
    expect(hand(third, { n3: SILENT })).toBeUndefined();
    expect(hand(first, {})).toBeUndefined();
    expect(ledger.standing('n3')).toMatchObject({
      round: third.round.round,
      silentRounds: 1,
      provenHeight: first.round.height,
      heldKib: 1,
      asked: 64,
      failed: 32,
    });
    // The others had shown everything in the third.
    expect(hand(second, { n0: SILENT })).toBeUndefined();
    expect(ledger.standing('n0')).toMatchObject({
      round: third.round.round,
      silentRounds: 0,
      provenHeight: third.round.height,
      failed: 32,
    });
  });

  test('that lasts puts the node out at the border, and costs it a share of its stake', () => {
    const ledger = new Audited();
    for (let round = 0; round < 5; round++) {
      ledger.nextRound();
      expect(ledger.anchor({ n3: SILENT })).toBeUndefined();
    }
    const { burned } = supplyOf(ledger.view);
    const { retired } = ledger.close();
    expect(retired.map(nameOf)).toEqual(['n3']);
    expect(ledger.node('n3').isRetired).toBe(true);
    // One per cent of 1000.
    expect(supplyOf(ledger.view).burned).toEqual([[0, (burned[0]?.[1] ?? 0n) + 10n]]);
    expect(standingOf(ledger.view, idOf('n3')).silentRounds).toBe(0);
  });
});

test('capacity that is proven is stake, and none while the node is suspended', () => {
  const ledger = new Audited();
  const held: NodeCounts = { asked: 32, failed: 0, heldKib: 50 * 2 ** 20 };
  expect(ledger.anchor({ n0: held })).toBeUndefined();
  ledger.close();
  ledger.open();
  expect(ledger.node('n0').provenGib).toBe(50);
  expect(ledger.powers(2).get('n0')).toBe(1050n);
  for (let round = 0; round < 2; round++) {
    ledger.nextRound();
    expect(ledger.anchor({ n0: { ...held, failed: 32 } })).toBeUndefined();
  }
  ledger.close();
  expect(ledger.node('n0').provenGib).toBe(0);
});

describe('what is paid for storage', () => {
  const deposit = (ledger: Audited, value: bigint): void =>
    ledger.write((state) => {
      debit(state, accountNamed('alice'), [[0, value]]);
      addDeposit(state, ledger.epoch, {
        perEpoch: value,
        from: ledger.epoch,
        until: (ledger.epoch + 1) as Epoch,
      });
    });

  test('is earned in rounds, by what they find with a node, and added to its stake at the border', () => {
    const ledger = new Audited();
    deposit(ledger, 700n);
    const held = (heldKib: number, failed = 0): NodeCounts => ({ asked: 32, failed, heldKib });
    expect(
      ledger.anchor({ n0: held(400), n1: held(200), n2: held(400, 16), n3: held(900, 32) }),
    ).toBeUndefined();
    ledger.nextRound();
    expect(ledger.anchor({ n0: held(0), n1: held(200), n2: held(400), n3: held(900, 32) })).toBeUndefined();
    ledger.close();
    // 400, 400, 600 and nothing of 1,400 KiB.
    expect(['n0', 'n1', 'n2', 'n3'].map((name) => ledger.node(name).bonded)).toEqual([
      [[0, 1200n]],
      [[0, 1200n]],
      [[0, 1300n]],
      [[0, 1000n]],
    ]);
    expect(escrowOf(ledger.view).held).toBe(0n);
  });

  test('leaves no records where nothing was paid, and none of a node that is retired', () => {
    const free = new Audited();
    expect(free.anchor()).toBeUndefined();
    expect([...free.state.records.values()].filter(({ key }) => key.kind === 'earned')).toEqual([]);
    const ledger = new Audited();
    deposit(ledger, 700n);
    expect(ledger.anchor()).toBeUndefined();
    expect(earnedIn(ledger.view, idOf('n1'), ledger.epoch)).toBe(1024);
    expect(ledger.run('o1', retireNode, { node: idOf('n1') })).toBeUndefined();
    expect(earnedIn(ledger.view, idOf('n1'), ledger.epoch)).toBe(0);
    ledger.close();
    expect(ledger.node('n0').bonded).toEqual([[0, 1233n]]);
    expect(escrowOf(ledger.view)).toEqual({ held: 1n, left: 1n, rate: 0n });
  });
});
