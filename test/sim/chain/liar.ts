// A validator that says two things in one place: beside the node that has the key and is honest there is a second copy, which asks no guard.
// It speaks of the place where agreement is, half of the time for what others speak of, and tells some one thing and some another. It
// holds less than a third of the power, else it says nothing. Who lies like that is to be slashed, and nobody else.

import { toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { encodeMessage } from '../../../src/consensus/messages.ts';
import { signBytes } from '../../../src/consensus/sign-bytes.ts';
import {
  type BlockId,
  NO_ROUND,
  type UnsignedVote,
  type ValidatorSet,
  type VoteKind,
  type VoteValue,
} from '../../../src/consensus/types.ts';
import { indexOf } from '../../../src/consensus/validator-set.ts';
import { MESSAGE_SERVICE } from '../../../src/node/validator/transport.ts';
import { epochStateOf } from '../../../src/shards/epoch-state.ts';
import { nodeOf } from '../../../src/shards/node.ts';
import { asValidatorSet, settledEntries } from '../../../src/shards/validator-sets.ts';
import type { SeededRandom } from '../random.ts';
import type { ChainChecks } from './checks.ts';
import type { Founded } from './founding.ts';
import type { World } from './machine.ts';
import type { Wire } from './wire.ts';

/** The machine whose key it is: the first, which stays a validator until it is slashed. */
const PLACE = 0;
const GAP_MAX_MS = 3_000;
/** In the quiet. */
const INSIST_EVERY_MS = 250;

export class Liar {
  isSilent = false;
  readonly #world: World;
  readonly #wire: Wire;
  readonly #checks: ChainChecks;
  readonly #founded: Founded;
  readonly #random: SeededRandom;
  #insistedMs = 0;

  constructor(world: World, wire: Wire, checks: ChainChecks, founded: Founded) {
    this.#world = world;
    this.#wire = wire;
    this.#checks = checks;
    this.#founded = founded;
    this.#random = world.random.fork('liar');
    checks.liar = this.#key;
  }

  start(): void {
    this.#world.scheduler.after(this.#random.unit() * GAP_MAX_MS, {
      run: () => {
        if (this.isSilent) return;
        this.#lie((first) => (this.#random.chance(0.5) ? [first] : []));
        this.start();
      },
    });
  }

  /** Now and then while this is called. */
  sayBothToAll(): void {
    const { now } = this.#world.scheduler;
    if (now < this.#insistedMs + INSIST_EVERY_MS) return;
    this.#insistedMs = now;
    this.#lie((first, second) => [first, second]);
  }

  /** Of those who decide the next height. */
  get isMember(): boolean {
    return indexOf(this.#set, this.#key) !== undefined;
  }

  get isConvicted(): boolean {
    const { state } = this.#checks;
    return nodeOf(state, this.#key)?.isTombstoned === true;
  }

  get #key(): NodeId {
    return this.#founded.nodes[PLACE]!.publicKey as NodeId;
  }

  get #set(): ValidatorSet {
    const { state } = this.#checks;
    return asValidatorSet(settledEntries(state, epochStateOf(state).epoch));
  }

  /** `choose`: which of two contradicting votes a node is told, in their order; none: the second. */
  #lie(choose: (first: Uint8Array, second: Uint8Array) => readonly Uint8Array[]): void {
    const set = this.#set;
    const validator = indexOf(set, this.#key);
    if (validator === undefined || this.isConvicted) return;
    if (3n * set.validators[validator]!.power >= set.totalPower) return;
    this.#world.tally.add('said two things');
    const kind: VoteKind = this.#random.pick(['prevote', 'precommit']);
    const [first, second] = this.#values().map((value) => this.#vote(kind, validator, value));
    for (const to of this.#founded.nodes.keys()) {
      if (to === PLACE) continue;
      const told = choose(first!, second!);
      for (const vote of told.length > 0 ? told : [second!])
        this.#wire.inject(PLACE, to, MESSAGE_SERVICE, vote);
    }
  }

  #values(): readonly [VoteValue, VoteValue] {
    const { height, blockId } = this.#checks.round;
    const nowhere = toHex(this.#random.bytes(32)) as BlockId;
    const isSpokenOf = height > this.#checks.height && blockId !== null && this.#random.chance(0.5);
    return [isSpokenOf ? blockId : nowhere, null];
  }

  #vote(kind: VoteKind, validator: number, blockId: VoteValue): Uint8Array {
    const next = this.#checks.height + 1;
    const { height, round } = this.#checks.round;
    const place = height === next ? { height, round } : { height: next, round: 0 };
    const vote: UnsignedVote = { kind, ...place, blockId, validRound: NO_ROUND, validator };
    const signature = this.#founded.nodes[PLACE]!.sign(signBytes(this.#founded.network, vote));
    this.#checks.lies.add(toHex(signature));
    return encodeMessage({ ...vote, signature });
  }
}
