// What must hold in every run, checked with every block that any node commits and every message that leaves a validator. The ledger is
// followed here by itself: what blocks change is put together to a state, and the state is audited whole at every border of an epoch.

import { equal, toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { decodeMessage } from '../../../src/consensus/messages.ts';
import { isSingle } from '../../../src/consensus/message-kinds.ts';
import type { VoteValue } from '../../../src/consensus/types.ts';
import type { Committed } from '../../../src/node/chain/chain.ts';
import { BLOCK_SERVICE, MESSAGE_SERVICE } from '../../../src/node/validator/transport.ts';
import { type Amounts, NOTHING, plusAmounts } from '../../../src/shards/amounts.ts';
import { auditChanges, auditRecord, isConserved } from '../../../src/shards/conservation.ts';
import { laneText } from '../../../src/shards/lane.ts';
import { nodeRecord } from '../../../src/shards/node.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { lanesIn } from '../../../src/shards/outbox.ts';
import type { RefusalCode } from '../../../src/shards/operation.ts';
import type { StateKey } from '../../../src/shards/state-key.ts';
import { type Change, decodeRecord, Overlay } from '../../../src/shards/view.ts';
import type { World } from './machine.ts';

export type Property =
  | 'agreement'
  | 'roots'
  | 'durability'
  | 'exactly once'
  | 'value'
  | 'guard'
  | 'accusation'
  | 'accountability'
  | 'lost transaction'
  | 'memory'
  | 'liveness'
  | 'crash'
  | 'determinism';

export interface Violation {
  readonly property: Property;
  readonly text: string;
}

/** How nodes tell of misbehaviour. */
export const EVIDENCE = 'evidence against';
export const SECOND_COPY = 'a second copy';

export interface Place {
  readonly height: number;
  readonly round: number;
  readonly blockId: VoteValue;
}

interface Height {
  readonly id: string;
  /** After the block, of all shards. */
  readonly roots: string;
  readonly shardBits: number;
}

export interface Inclusion {
  readonly height: number;
  readonly refusal: RefusalCode | undefined;
}

export class ChainChecks {
  violation: Violation | undefined;
  /** The heights that somebody has committed, from 1. */
  readonly heights: Height[] = [];
  readonly included: Map<string, Inclusion> = new Map();
  /** Transactions that no block may have, by id. */
  readonly forbidden: Set<string> = new Set();
  epochs = 0;
  splits = 0;
  merges = 0;
  receipts = 0;
  /** The highest round that anybody has spoken of, its height, and what for. */
  round: Place = { height: 0, round: 0, blockId: null };
  /** The key of a validator that says two things in one place. */
  liar: NodeId | undefined;
  /** Its signatures that no node has made, as hex. */
  readonly lies: Set<string> = new Set();
  readonly #world: World;
  readonly #records = new Map<string, { readonly key: StateKey; readonly bytes: Uint8Array }>();
  readonly #nonces = new Map<string, number>();
  /** Next of each lane. */
  readonly #sequences = new Map<string, number>();
  /** Newest height that the disk of a machine must have. */
  readonly #kept = new Map<number, number>();
  /** What each key signed, by place. */
  readonly #signed = new Map<string, string>();
  readonly #seen = new WeakSet<Uint8Array>();
  /** Commits that came before those of lower heights. */
  readonly #early = new Map<number, Committed>();

  constructor(world: World, genesis: readonly Change[]) {
    this.#world = world;
    this.#keep(genesis);
    this.epochs = 0;
  }

  /** The newest height that is known here. */
  get height(): number {
    return this.heights.length;
  }

  /** The state after that height. */
  get state(): Overlay {
    return new Overlay({ read: (key) => this.#records.get(key.text)?.bytes ?? null });
  }

  get records(): ReadonlyMap<string, { readonly key: StateKey; readonly bytes: Uint8Array }> {
    return this.#records;
  }

  get pending(): number {
    const { current, previous } = lanesIn(this.state);
    return current.pending + (previous?.pending ?? 0);
  }

  fail(property: Property, text: string): void {
    if (this.violation !== undefined) return;
    this.violation = { property, text };
    this.#world.tell(() => `VIOLATION of ${property}: ${text}`);
  }

  // ---- Nodes ---------------------------------------------------------------------------------------------------

  /** A process begins with what its disk has. */
  started(machine: number, height: number, id: Uint8Array): void {
    const kept = this.#kept.get(machine) ?? 0;
    if (height < kept)
      this.fail('durability', `machine ${machine} had height ${kept} and starts with ${height}`);
    const known = this.heights[height - 1];
    if (known !== undefined && known.id !== toHex(id))
      this.fail('agreement', `machine ${machine} starts with another block ${height}`);
    this.#kept.set(machine, height);
  }

  /** The machine lost what it had. */
  forget(machine: number): void {
    this.#kept.delete(machine);
  }

  /** Whether the truth is told: of the liar's votes, or by the node whose key the liar uses. */
  isEarned(teller: NodeId, text: string): boolean {
    if (this.liar === undefined || this.lies.size === 0) return false;
    return text.startsWith(EVIDENCE) || (text.startsWith(SECOND_COPY) && equal(teller, this.liar));
  }

  committed(machine: number, committed: Committed): void {
    const { block, head } = committed;
    const { height } = block.header;
    const before = this.#kept.get(machine) ?? 0;
    if (height !== before + 1)
      this.fail('agreement', `machine ${machine} commits ${height} after height ${before}`);
    this.#kept.set(machine, height);
    const mine: Height = {
      id: toHex(block.id),
      roots: head.shards.map(({ stateRoot }) => toHex(stateRoot)).join(' '),
      shardBits: head.shardBits,
    };
    const known = this.heights[height - 1];
    if (known !== undefined) this.#compare(machine, height, known, mine);
    else {
      this.#early.set(height, committed);
      this.#follow();
    }
  }

  #compare(machine: number, height: number, known: Height, mine: Height): void {
    if (known.id !== mine.id)
      this.fail('agreement', `machine ${machine} has block ${mine.id} at ${height}, others ${known.id}`);
    else if (known.roots !== mine.roots || known.shardBits !== mine.shardBits)
      this.fail('roots', `machine ${machine} has other roots after height ${height}`);
  }

  // ---- The chain -----------------------------------------------------------------------------------------------

  #follow(): void {
    for (;;) {
      const height = this.height + 1;
      const committed = this.#early.get(height);
      if (committed === undefined) return;
      this.#early.delete(height);
      const { block, head, executed } = committed;
      const bits = this.heights.at(-1)?.shardBits;
      this.heights.push({
        id: toHex(block.id),
        roots: head.shards.map(({ stateRoot }) => toHex(stateRoot)).join(' '),
        shardBits: head.shardBits,
      });
      this.#world.trace.addText(toHex(block.id));
      this.#world.tell(
        () =>
          `height ${height}: block ${toHex(block.id).slice(0, 8)} of epoch ${block.header.epoch}, ` +
          `${block.body.transactions.length} transactions, ${block.body.parcels.length} parcels, 2^${head.shardBits} shards`,
      );
      if (bits !== undefined && head.shardBits > bits) this.splits++;
      if (bits !== undefined && head.shardBits < bits) this.merges++;
      this.#checkTransactions(committed);
      this.#checkReceipts(committed);
      if (!isConserved(auditChanges(executed.changes, LEDGER_RULES.holdings)))
        this.fail('value', `block ${height} makes or loses tokens`);
      this.#keep(executed.changes);
      if (block.header.epoch > this.epochs) {
        this.epochs = block.header.epoch;
        this.audit();
      }
    }
  }

  #checkTransactions({ block, executed }: Committed): void {
    const { height } = block.header;
    const refusals = new Map(
      executed.outcomes.flatMap((outcome) =>
        outcome.kind === 'transaction' ? [[toHex(outcome.id), outcome.refusal] as const] : [],
      ),
    );
    for (const { id, transaction } of block.body.transactions) {
      const name = toHex(id);
      const earlier = this.included.get(name);
      if (earlier !== undefined)
        this.fail('exactly once', `transaction ${name} is in blocks ${earlier.height} and ${height}`);
      if (this.forbidden.has(name)) this.fail('exactly once', `block ${height} has a forged transaction`);
      if (!refusals.has(name)) this.fail('exactly once', `block ${height} did not execute ${name}`);
      const sender = toHex(transaction.sender);
      const nonce = this.#nonces.get(sender) ?? 0;
      if (transaction.nonce !== nonce)
        this.fail('exactly once', `block ${height} has nonce ${transaction.nonce} where ${nonce} is next`);
      if (transaction.expiresAtHeight < height)
        this.fail('exactly once', `block ${height} has an expired transaction`);
      this.#nonces.set(sender, nonce + 1);
      this.included.set(name, { height, refusal: refusals.get(name) });
    }
  }

  /** Receipts of a lane are sent, and end, one after the other, each once. */
  #checkReceipts({ block, executed }: Committed): void {
    for (const outcome of executed.outcomes) {
      if (outcome.kind === 'transaction') continue;
      const lane = laneText(outcome.lane);
      const next = this.#sequences.get(lane) ?? 0;
      if (outcome.sequence !== next)
        this.fail(
          'exactly once',
          `block ${block.header.height} ends ${lane}#${outcome.sequence}, not ${next}`,
        );
      this.#sequences.set(lane, next + 1);
      this.receipts++;
      this.#world.tally.add(`${outcome.kind} ended`);
    }
  }

  #keep(changes: readonly Change[]): void {
    for (const { key, after } of changes) {
      if (after === null) this.#records.delete(key.text);
      else this.#records.set(key.text, { key, bytes: after });
    }
  }

  /** Everything there is, added up. */
  audit(): void {
    let held: Amounts = NOTHING;
    let supply: Amounts = NOTHING;
    for (const { key, bytes } of this.#records.values()) {
      const audit = auditRecord(key.kind, bytes, LEDGER_RULES.holdings);
      held = plusAmounts(held, audit.held);
      supply = plusAmounts(supply, audit.supply);
    }
    if (!isConserved({ held, supply })) this.fail('value', `after height ${this.height} tokens are missing`);
    this.#checkConvicted();
  }

  #checkConvicted(): void {
    for (const { key, bytes } of this.#records.values()) {
      if (key.kind !== 'node') continue;
      const { registration, offence } = decodeRecord(nodeRecord, bytes);
      const isLiar = this.liar !== undefined && equal(registration, this.liar);
      if (offence !== null && !isLiar)
        this.fail('accusation', `${toHex(registration).slice(0, 8)} is slashed, and has not lied`);
    }
  }

  // ---- Validators ----------------------------------------------------------------------------------------------

  /** What leaves a node: of two messages of one key for one place, both are the same. */
  sniff(from: NodeId, service: string, header: Uint8Array): void {
    if (service !== MESSAGE_SERVICE && service !== BLOCK_SERVICE) return;
    if (this.#seen.has(header)) return;
    this.#seen.add(header);
    const message = decodeMessage(header);
    if (!isSingle(message)) return;
    const { kind, height, round, blockId, validRound, signature } = message;
    if (height > this.round.height || (height === this.round.height && round >= this.round.round))
      this.round = { height, round, blockId };
    if (this.lies.has(toHex(signature))) return;
    // Others' votes are passed on, too: whose key it was is in the signature, and one key makes one signature of one text.
    const place = `${message.validator} ${kind} ${height} ${round}`;
    const text = `${blockId} ${validRound} ${toHex(signature)}`;
    const known = this.#signed.get(place);
    if (known === undefined) this.#signed.set(place, text);
    else if (known !== text) this.fail('guard', `${toHex(from).slice(0, 8)} sends a second ${place}`);
  }
}
