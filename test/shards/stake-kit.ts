// A ledger of stake in memory, without blocks: transactions are executed one by one as if all homes lay in one shard, messages are delivered at once, and
// epochs end when a test says so. After every step the tokens are counted.

import { expect } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { EpochRecord, Member } from '../../src/base/epoch.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, OwnerId, Stake } from '../../src/base/ids.ts';
import { DEFAULT_PARAMS } from '../../src/base/params.ts';
import type { Signer } from '../../src/base/ports.ts';
import { accountOf, credit } from '../../src/shards/account.ts';
import { type Amounts, amountIn } from '../../src/shards/amounts.ts';
import { bondsOf, sumOf, unbondingOf } from '../../src/shards/bonds.ts';
import { auditRecord } from '../../src/shards/conservation.ts';
import { closeEpoch, type EpochClosing } from '../../src/shards/epoch-border.ts';
import { epochStateOf, lastHeightOf } from '../../src/shards/epoch-state.ts';
import { type Founding, writeGenesis } from '../../src/shards/genesis-state.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { proveKey } from '../../src/shards/key-proof.ts';
import { type NodeData, nodeOf, type NodeRecord, nodeWithKey } from '../../src/shards/node.ts';
import { allRegistrations } from '../../src/shards/node-index.ts';
import type { BlockContext, Message, RefusalCode } from '../../src/shards/operation.ts';
import type { RegisterNode } from '../../src/shards/operations/register-node.ts';
import { creditDelivery } from '../../src/shards/operations/transfer.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../../src/shards/parameters.ts';
import { STAKE_DELIVERIES } from '../../src/shards/stake-rules.ts';
import { supplyOf } from '../../src/shards/supply.ts';
import type { StateKey } from '../../src/shards/state-key.ts';
import type { SystemOperation } from '../../src/shards/system-operation.ts';
import { entriesOf, type SetEntries } from '../../src/shards/validator-sets.ts';
import { type Loaded, Overlay, type StateView } from '../../src/shards/view.ts';
import { nativeSha256, nativeSigner, nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';

export const NETWORK: NetworkId = digestFrom<NetworkId>('network');

/** Small numbers, so that tests see every rule at work. */
export const TEST_PARAMETERS: Parameters = {
  ...DEFAULT_PARAMETERS,
  epochBlocks: 10,
  proposalEpochs: 2,
  stake: {
    validatorMin: 100n,
    nodeMin: 50n,
    bondMin: 10n,
    validatorsMax: 7,
    churnPerMillion: 1_000_000,
    unbondingEpochs: 3,
  },
  evidence: { ageBlocks: 30, ageMs: 30_000, reporterPerMillion: 100_000 },
  assets: [
    { name: 'native', weight: 1n, isCapacity: false },
    { name: 'gold', weight: 10n, isCapacity: false },
    { name: 'capacity', weight: 1n, isCapacity: true },
  ],
  sharding: { bitsMin: 0, bitsMax: 2, splitLoad: 8, mergeLoad: 2 },
  storage: { shardMembersMin: 4, operatorShareDivisor: 4, isTrial: false },
};

export const PLAIN: NodeData = {
  capacityBytes: 2 ** 40,
  domains: [],
  validates: true,
  acceptsDelegation: true,
};

export const accountNamed = (name: string): OwnerId => digestFrom<OwnerId>(`account ${name}`);

const signers = new Map<string, Signer>();

/** A node's key by name: the same name, the same key. */
export function keyNamed(name: string): Signer {
  const signer = signers.get(name) ?? nativeSigner(digestFrom(`key ${name}`));
  signers.set(name, signer);
  return signer;
}

export const idOf = (name: string): NodeId => keyNamed(name).publicKey as NodeId;

/** Everything that is not there is known to be absent. */
class MemoryState implements StateView {
  readonly records: Map<string, { readonly key: StateKey; readonly record: Uint8Array }> = new Map();

  read(key: StateKey): Loaded {
    return this.records.get(key.text)?.record ?? null;
  }

  apply(overlay: Overlay): void {
    for (const { key, after } of overlay.changes()) {
      if (after === null) this.records.delete(key.text);
      else this.records.set(key.text, { key, record: after });
    }
  }
}

export interface LedgerOptions {
  readonly parameters?: Partial<Parameters>;
  /** Stakes of the founding nodes: node i is `n<i>`, of operator account `o<i>` unless told otherwise. */
  readonly stakes?: readonly bigint[];
  readonly operators?: readonly string[];
  readonly balances?: readonly (readonly [name: string, amounts: Amounts])[];
}

export class Ledger {
  readonly state: MemoryState = new MemoryState();
  height = 0;
  timeMs = 1_000_000;

  constructor(options: LedgerOptions = {}) {
    const overlay = new Overlay(this.state);
    writeGenesis(overlay, foundingOf(options), nativeSha256);
    this.state.apply(overlay);
    this.timeMs = 1_000_000;
    this.height = 1;
    this.check();
  }

  get block(): BlockContext {
    const { epoch, shardBits } = epochStateOf(this.view);
    return {
      network: NETWORK,
      height: this.height,
      epoch,
      timeMs: this.timeMs,
      shardBits,
      sha256: nativeSha256,
      verify: nativeVerify,
    };
  }

  /** To read from. */
  get view(): Overlay {
    return new Overlay(this.state);
  }

  get epoch(): Epoch {
    return epochStateOf(this.view).epoch;
  }

  /** Changes the state by hand. */
  write<T>(change: (state: Overlay) => T): T {
    const overlay = new Overlay(this.state);
    const result = change(overlay);
    this.state.apply(overlay);
    return result;
  }

  /** Executes a transaction and every message that comes of it. The first refusal is the answer. */
  run<Action>(from: string, kind: SystemOperation<Action>, action: Action): RefusalCode | undefined {
    const overlay = new Overlay(this.state);
    const queue: Message[] = [];
    const send = (message: Message): void => {
      queue.push(message);
    };
    const transactionId = digestFrom(`transaction ${this.state.records.size} ${this.height} ${from}`);
    const context = { block: this.block, state: overlay, sender: accountNamed(from), transactionId, send };
    const refusal = kind.operation.commit(context, action);
    if (refusal !== undefined) return refusal;
    const answer = this.#deliver(overlay, queue);
    this.state.apply(overlay);
    this.check();
    return answer;
  }

  #deliver(state: Overlay, queue: Message[]): RefusalCode | undefined {
    let answer: RefusalCode | undefined;
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      const known = [...STAKE_DELIVERIES, creditDelivery];
      const delivery = known.find(({ kind }) => kind === message!.kind)!;
      const upper = new Overlay(state);
      const sent: Message[] = [];
      const context = { block: this.block, state: upper, message, send: (each: Message) => sent.push(each) };
      const refusal = delivery.execute(context, message.payload as never);
      if (refusal === undefined) {
        state.merge(upper);
        expect(sent.length, 'a receipt causes one receipt at most').toBeLessThanOrEqual(1);
        queue.push(...sent);
      } else {
        credit(state, message.refundTo, message.value);
        answer ??= refusal;
      }
    }
    return answer;
  }

  /** Ends the epoch at its last block. */
  close(): EpochClosing {
    const last = lastHeightOf(epochStateOf(this.view));
    this.pass(last - this.height);
    const overlay = new Overlay(this.state);
    const closing = closeEpoch(overlay, this.block);
    this.state.apply(overlay);
    this.pass(1);
    this.check();
    return closing;
  }

  /** Blocks go by, one a second. */
  pass(blocks: number): void {
    this.height += blocks;
    this.timeMs += blocks * 1000;
  }

  node(name: string): NodeRecord {
    return nodeWithKey(this.view, idOf(name))!;
  }

  balance(name: string, asset = 0): bigint {
    return amountIn(accountOf(this.view, accountNamed(name)).balances, asset);
  }

  /** By the names of founding keys, as many as there are; others by hex digits. */
  powers(epoch: number): ReadonlyMap<string, bigint> {
    return new Map(this.set(epoch).map(({ registration, power }) => [nameOf(registration), power]));
  }

  set(epoch: number): SetEntries {
    return entriesOf(this.view, epoch)!;
  }

  /** Tokens are all there, sums are sums, and everything fits its record. */
  check(): void {
    const { view } = this;
    const held = [...this.state.records.values()].map(
      ({ key, record }) => auditRecord(key.kind, record, LEDGER_RULES.holdings).held,
    );
    expect(sumOf(held)).toEqual(supplyOf(view).total);
    for (const [place, registration] of allRegistrations(view).entries()) {
      const node = nodeOf(view, registration)!;
      expect(node.place).toBe(place);
      expect(node.isRetired).toBe(false);
      expect(node.bonded).toEqual(sumOf(bondsOf(view, registration).map(({ amounts }) => amounts)));
      const waiting = unbondingOf(view, registration).filter(({ lastEpoch }) => lastEpoch === null);
      expect(node.waiting).toEqual(sumOf(waiting.map(({ asset, amount }): Amounts => [[asset, amount]])));
    }
  }
}

export function nameOf(id: NodeId): string {
  const named = [...signers].find(([, signer]) => toHex(signer.publicKey) === toHex(id));
  return named?.[0] ?? toHex(id);
}

export function foundingOf(options: LedgerOptions = {}): Founding {
  const stakes = options.stakes ?? [1000n, 1000n, 1000n, 1000n];
  const operatorOf = (index: number): string => options.operators?.[index] ?? `o${index}`;
  const members = stakes.map(
    (stake, index): Member => ({
      node: idOf(`n${index}`),
      operator: operatorOf(index) as OperatorId,
      stake: stake as Stake,
      capacityBytes: 2 ** 40,
      admissionSeed: digestFrom(`admission ${index}`),
      domains: [],
    }),
  );
  const record: EpochRecord = {
    network: NETWORK,
    epoch: 0 as Epoch,
    previous: new Uint8Array(32) as Digest,
    seed: digestFrom('seed'),
    params: { ...DEFAULT_PARAMS, shardMembersMin: 4 },
    members,
  };
  const names = [...new Set(stakes.map((_, index) => operatorOf(index)))];
  return {
    record,
    createdAtMs: 1_000_000,
    parameters: { ...TEST_PARAMETERS, ...options.parameters },
    operators: new Map(names.map((name) => [name as OperatorId, accountNamed(name)])),
    balances: (options.balances ?? defaultBalances(names)).map(([name, amounts]) => [
      accountNamed(name),
      amounts,
    ]),
    chains: [],
  };
}

function defaultBalances(operators: readonly string[]): (readonly [string, Amounts])[] {
  return [...operators, 'alice', 'bob', 'carol'].map((name) => [
    name,
    [
      [0, 10_000n],
      [1, 100n],
    ],
  ]);
}

/** What registers the key of that name for an operator's account. */
export function registration(
  name: string,
  operator: string,
  amount = 1000n,
  data: NodeData = PLAIN,
): RegisterNode {
  const proof = proveKey(NETWORK, accountNamed(operator), keyNamed(name));
  return { key: idOf(name), proof, data, amount };
}
