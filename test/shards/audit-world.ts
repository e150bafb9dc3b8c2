// A network in memory with an object, its holders as nodes with stake, and audit rounds, whose homes talk by messages: for tests of what reaches from
// audits to stake, accounts and objects. After every step all tokens are counted.

import { expect } from 'vitest';
import type { Digest, Epoch } from '../../src/base/ids.ts';
import type { NodeFindings, ResultProof } from '../../src/proofs/results.ts';
import { proveResult, resultDigests, resultTree } from '../../src/proofs/results.ts';
import { accountOf, credit } from '../../src/shards/account.ts';
import { amountIn, type Amounts, amountOf, NATIVE, NOTHING, plusAmounts } from '../../src/shards/amounts.ts';
import { anchorOf, putAnchor } from '../../src/shards/anchors.ts';
import { auditRoundsOf, auditRule, type AuditRound } from '../../src/shards/audit-rounds.ts';
import { type AuditRules, DEFAULT_AUDIT } from '../../src/shards/audit-rules.ts';
import { bondsOf, putBonds } from '../../src/shards/bonds.ts';
import { auditRecord } from '../../src/shards/conservation.ts';
import { disputesOf } from '../../src/shards/disputes.ts';
import { type Escrow, escrowKey, escrowOf, shareOut } from '../../src/shards/escrow.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { type NodeRecord, putNode, takeKey } from '../../src/shards/node.ts';
import { nodeCountKey, takePlace } from '../../src/shards/node-index.ts';
import type { Message } from '../../src/shards/operation.ts';
import { type Parameters, parametersKey, parametersOf, putParameters } from '../../src/shards/parameters.ts';
import { putSupply, supplyOf } from '../../src/shards/supply.ts';
import { resetTurns } from '../../src/shards/turns.ts';
import { putEntries, settledEntries } from '../../src/shards/validator-sets.ts';
import { digestFrom } from '../helpers/records.ts';
import type { Arrived } from './homes.ts';
import { nodeId, Objects } from './objects.ts';
import { ownerOf, PROPOSER, signerOf } from './world.ts';

export const NODES: readonly number[] = [0, 1, 2, 3, 4, 5];
/** The first so many validate. */
export const VALIDATORS = 4;
export const STAKE = 1_000_000n;
export const BALANCE = 10_000_000n;
const PEOPLE = ['ann', 'bob', 'eve'];

export const AUDIT: AuditRules = { ...DEFAULT_AUDIT, roundMs: 3000, roundsKept: 6, disputeBond: 100n };

export function nodeAt(index: number): NodeRecord {
  return {
    registration: nodeId(index),
    operator: ownerOf(`operator ${index}`),
    key: nodeId(index),
    place: index,
    registeredEpoch: 0 as Epoch,
    keyedEpoch: 0 as Epoch,
    admissionSeed: digestFrom<Digest>(`admission ${index}`),
    provenGib: 0,
    capacityBytes: 2 ** 40,
    domains: [],
    validates: index < VALIDATORS,
    acceptsDelegation: false,
    bonded: amountOf(NATIVE, STAKE),
    waiting: [],
    isRetired: false,
    isTombstoned: false,
    isJailed: false,
    jailedUntil: 0 as Epoch,
    offence: null,
  };
}

export class AuditWorld extends Objects {
  /** While true, lanes have no room for what rules send. */
  areLanesFull = false;

  constructor(parameters: Partial<Parameters> = {}) {
    super();
    this.memory.run((state) => {
      putParameters(state, { ...parametersOf(state), audit: AUDIT, ...parameters });
      for (const index of NODES) {
        takePlace(state, nodeId(index));
        putNode(state, nodeAt(index));
        takeKey(state, nodeId(index), nodeId(index));
        const owner = ownerOf(`operator ${index}`);
        putBonds(state, nodeId(index), [{ owner, amounts: amountOf(NATIVE, STAKE) }]);
      }
      const set = NODES.slice(0, VALIDATORS).map((index) => {
        const { key, registration, operator } = nodeAt(index);
        return { node: key, power: STAKE, registration, operator };
      });
      putEntries(state, 0 as Epoch, set);
      resetTurns(state, digestFrom('mix'), VALIDATORS);
      for (const name of PEOPLE) credit(state, ownerOf(name), amountOf(NATIVE, BALANCE));
      const total = BigInt(NODES.length) * STAKE + BigInt(PEOPLE.length) * BALANCE;
      putSupply(state, { total: amountOf(NATIVE, total), issued: [], burned: [] });
    });
    this.nextRound();
    this.check();
  }

  setParameters(change: Partial<Parameters>): void {
    this.memory.run((state) => putParameters(state, { ...parametersOf(state), ...change }));
  }

  override arrive(): Arrived {
    const arrived = super.arrive();
    this.check();
    return arrived;
  }

  // ---- Rounds ------------------------------------------------------------------------------------------------

  get round(): AuditRound {
    return this.memory.run(auditRoundsOf).at(-1)!;
  }

  /** A block opens that begins a round; what is forgotten with it is settled. */
  nextRound(): void {
    this.height += 3;
    this.timeMs += AUDIT.roundMs;
    let sent: Message[] = [];
    this.memory.runLoading([], (state) => {
      sent = [];
      const send = (message: Message): boolean => {
        if (!this.areLanesFull) sent.push(message);
        return !this.areLanesFull;
      };
      const inputs = { proposer: PROPOSER, reveal: null, evidence: [], lastCommit: null };
      const rest = { transactions: 0, send, canReshape: true, reshape: () => undefined };
      const problem = auditRule.apply({ block: this.block, state, inputs, ...rest });
      expect(problem).toBeUndefined();
    });
    this.waiting.push(...sent);
    this.check();
  }

  /** The index among the validators of node `index`. */
  auditorOf(index: number): number {
    const set = this.memory.run((state) => settledEntries(state, 0));
    return set.findIndex(({ node }) => Buffer.compare(node, nodeId(index)) === 0);
  }

  /** An anchor of group 0 of the round that runs, signed by the nodes named. */
  anchor(findings: readonly NodeFindings[], signers: readonly number[] = [0, 1, 2]): void {
    const { round } = this.round;
    const tree = resultTree(resultDigests(round, findings));
    const auditors = signers.map((index) => this.auditorOf(index)).sort((a, b) => a - b);
    const { height } = this;
    this.memory.run((state) => putAnchor(state, round, 0, { ...tree, height, auditors, charged: [] }));
  }

  prove(findings: readonly NodeFindings[], index: number): ResultProof {
    return proveResult(this.round.round, findings, index)!;
  }

  charged(round: number): readonly number[] | undefined {
    return this.memory.run((state) => anchorOf(state, round, 0)?.charged);
  }

  // ---- Tokens ------------------------------------------------------------------------------------------------

  balance(name: string): bigint {
    return this.memory.run((state) => amountIn(accountOf(state, ownerOf(name)).balances, NATIVE));
  }

  stake(index: number): bigint {
    return this.memory.run((state) => amountIn(bondsOf(state, nodeId(index))[0]?.amounts ?? [], NATIVE));
  }

  get burned(): bigint {
    return this.memory.run((state) => amountIn(supplyOf(state).burned, NATIVE));
  }

  get openDisputes(): number {
    return this.memory.run((state) => disputesOf(state).open.length);
  }

  get escrow(): Escrow {
    return this.memory.run(escrowOf);
  }

  /** The border of the epoch that runs, as far as escrow goes. Gives how often it had to ask for records. */
  border(): number {
    const keys = [parametersKey(), escrowKey(), nodeCountKey()];
    const { rounds } = this.memory.runLoading(keys, (state) =>
      shareOut(state, parametersOf(state), this.epoch),
    );
    this.epoch = (this.epoch + 1) as Epoch;
    this.check();
    return rounds;
  }

  /** Nothing is made or lost, on the way or where it lies. */
  check(): void {
    let held: Amounts = NOTHING;
    let supply: Amounts = NOTHING;
    for (const { key, bytes } of this.memory.records.values()) {
      const audit = auditRecord(key.kind, bytes, LEDGER_RULES.holdings);
      held = plusAmounts(held, audit.held);
      supply = plusAmounts(supply, audit.supply);
    }
    for (const { value } of this.waiting) held = plusAmounts(held, value);
    expect(held).toEqual(supply);
  }
}

export const nodeSigner = (index: number): ReturnType<typeof signerOf> => signerOf(`node ${index}`);
