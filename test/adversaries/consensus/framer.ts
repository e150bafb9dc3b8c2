// Framer: proposes four times in a row, so that an honest validator contradicts itself. Under the lock rule as published it does, and is
// punished for it; under strict locks it cannot. The trace, with the victim p:
//
//   round a    all but p get block X and prevote it; the framer keeps its own prevote for X back, so nobody sees a polka
//   round a+1  p and some others get block Y; the framer's prevote for Y goes to p alone: p locks and precommits Y
//   round a+2  X again, by the old polka, with the prevote that was kept back; p refuses, the others prevote X, and the framer's
//              prevote goes to p alone: p sees the polka, locks X and precommits it
//   round a+3  X again, by the same old polka of round a. "Locked on X itself" would have p prevote it: a prevote of X on a
//              polka older than its precommit of Y

import { polkaCertificate } from '../../../src/consensus/certificate.ts';
import type { DriverState } from '../../../src/consensus/driver.ts';
import { phaseMs } from '../../../src/consensus/obligations.ts';
import { proposerAt } from '../../../src/consensus/proposer.ts';
import {
  NO_ROUND,
  type PolkaCertificate,
  type Proposal,
  type UnsignedMessage,
  type ValidatorIndex,
  type Vote,
  type VoteKind,
} from '../../../src/consensus/types.ts';
import { isQuorum, powerOf } from '../../../src/consensus/validator-set.ts';
import { votesFor } from '../../../src/consensus/vote-keeper.ts';
import type { HonestOptions } from '../../sim/honest.ts';
import type { Place } from '../../sim/world.ts';
import { signAt } from '../../sim/wrapped.ts';
import { campOf, type Liar, lurker, type Made, othersIn, type Shelf } from './liar.ts';

export const framer: Liar = (options) =>
  lurker(options, (place, shelf) => {
    let plot = new Plot(place, shelf, options, 0);
    return (driver) => {
      const { step } = driver.round;
      if (step === 'unstarted' || step === 'decided') return;
      if (plot.height !== driver.start.height) plot = new Plot(place, shelf, options, driver.start.height);
      plot.watch(driver);
    };
  });

/** Earlier, and a victim would have time to pass the polka on before the others' time is up. */
const MARGIN_MS = 30;

/** What the framer is up to at one height. */
class Plot {
  readonly height: number;
  readonly #place: Place;
  readonly #shelf: Shelf;
  readonly #options: HonestOptions;
  readonly #self: ValidatorIndex;
  #round = -1;
  /** Round a. */
  #first = 0;
  #x: Made | undefined;
  /** The block for which the victim's polka of this round is to be completed, and by which valid round. */
  #bait: { readonly made: Made; readonly validRound: number } | undefined;

  constructor(place: Place, shelf: Shelf, options: HonestOptions, height: number) {
    this.height = height;
    this.#place = place;
    this.#shelf = shelf;
    this.#options = options;
    this.#self = place.validator!;
  }

  watch(driver: DriverState): void {
    const { round } = driver.round;
    if (round !== this.#round) {
      if (round !== this.#round + 1) this.#x = undefined;
      this.#round = round;
      this.#bait = undefined;
      this.#enter(driver);
    }
    this.#completeForVictim(driver);
  }

  #enter(driver: DriverState): void {
    this.#place.broadcast(this.#vote('precommit', undefined, NO_ROUND));
    const { proposers } = driver.start;
    if (proposerAt(proposers, this.height, this.#round) !== this.#self) {
      this.#x = undefined;
      return;
    }
    if (this.#x === undefined) this.#hideX(driver);
    else if (this.#round === this.#first + 1) this.#lockOnY(driver);
    else this.#bringXAgain(driver);
  }

  /** Round a. */
  #hideX(driver: DriverState): void {
    const [victim, ...rest] = this.#others(driver);
    const x = this.#shelf.make(this.height, true);
    const camp = campOf(driver.start.validators, this.#self, rest);
    if (victim === undefined || camp === undefined || x === undefined) return;
    this.#first = this.#round;
    this.#x = x;
    this.#propose(driver, x, camp);
  }

  /** Round a + 1. */
  #lockOnY(driver: DriverState): void {
    const camp = campOf(driver.start.validators, this.#self, this.#others(driver));
    const y = this.#shelf.make(this.height, true);
    if (camp === undefined || y === undefined || this.#polkaOfX(driver) === undefined) {
      this.#x = undefined;
      return;
    }
    this.#bait = { made: y, validRound: NO_ROUND };
    this.#propose(driver, y, camp);
  }

  /** Rounds a + 2 and a + 3. */
  #bringXAgain(driver: DriverState): void {
    const polka = this.#polkaOfX(driver);
    if (polka === undefined) return;
    this.#place.broadcast(polka);
    this.#bait = { made: this.#x!, validRound: this.#first };
    const { blockId, block } = this.#x!;
    this.#place.broadcast(this.#proposal(blockId, this.#first), block);
  }

  /** Sends the one vote that is missing to the victim, when the others can no longer use it. */
  #completeForVictim(driver: DriverState): void {
    const bait = this.#bait;
    if (bait === undefined) return;
    const { validators } = driver.start;
    const votes = votesFor(driver.votes, 'prevote', this.#round, bait.made.blockId, bait.validRound);
    const power = votes.reduce((sum, { validator }) => sum + powerOf(validators, validator), 0n);
    if (!isQuorum(validators, power + powerOf(validators, this.#self))) return;
    this.#bait = undefined;
    const vote = this.#vote('prevote', bait.made, bait.validRound);
    const delayMs = Math.max(0, phaseMs(this.#options.timeouts, 'prevote', this.#round) - MARGIN_MS);
    const [victim] = this.#others(driver);
    this.#place.timer(delayMs, () => this.#place.send(victim!, vote));
  }

  /** The polka of round a, with the vote that was kept back. */
  #polkaOfX(driver: DriverState): PolkaCertificate | undefined {
    const { validators } = driver.start;
    const { blockId } = this.#x!;
    const votes = votesFor(driver.votes, 'prevote', this.#first, blockId, NO_ROUND);
    const own = this.#sign({
      ...this.#place0('prevote', this.#first),
      blockId,
      validRound: NO_ROUND,
    }) as Vote;
    const all = [...votes.filter(({ validator }) => validator !== this.#self), own];
    const power = all.reduce((sum, { validator }) => sum + powerOf(validators, validator), 0n);
    return isQuorum(validators, power) ? polkaCertificate(all) : undefined;
  }

  /** The block to the camp; to the others one that they refuse at once. */
  #propose(driver: DriverState, good: Made, camp: readonly ValidatorIndex[]): void {
    const bad = this.#shelf.make(this.height, false)!;
    for (const to of this.#others(driver)) {
      const { blockId, block } = camp.includes(to) ? good : bad;
      this.#place.send(to, this.#proposal(blockId, NO_ROUND), block);
    }
  }

  #others(driver: DriverState): readonly ValidatorIndex[] {
    return othersIn(driver.start.validators, this.#self);
  }

  #proposal(blockId: Proposal['blockId'], validRound: number): Proposal {
    return this.#sign({ ...this.#place0('proposal', this.#round), blockId, validRound }) as Proposal;
  }

  #vote(kind: VoteKind, made: Made | undefined, validRound: number): Vote {
    const blockId = made?.blockId ?? null;
    return this.#sign({ ...this.#place0(kind, this.#round), blockId, validRound }) as Vote;
  }

  #place0<K extends UnsignedMessage['kind']>(
    kind: K,
    round: number,
  ): {
    readonly kind: K;
    readonly height: number;
    readonly round: number;
    readonly validator: ValidatorIndex;
  } {
    return { kind, height: this.height, round, validator: this.#self };
  }

  #sign(message: UnsignedMessage): Proposal | Vote {
    return signAt(this.#place, message);
  }
}
