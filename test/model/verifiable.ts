// The properties of the paper as objects that verify themselves. The answer is what was looked at and how it came out, never a sentence: who
// reads it can see how far it reaches, and run it again.

import { createHash } from 'node:crypto';
import type { Vote } from '../../src/consensus/types.ts';
import { exploreAlone } from './alone.ts';
import type { Engine } from './engine.ts';
import type { Limits } from './explore.ts';
import { type LivenessOptions, runLiveness } from './liveness.ts';
import { conflicts, describe } from './judge.ts';
import { type Check, type Outcome, runCheck } from './suite.ts';
import { Tables } from './tables.ts';
import { type RefinementResult, exhaustRefinement, walkRefinement } from './walk.ts';
import { ROUNDS_MAX, vocabulary } from './vocabulary.ts';

export type PropertyName = 'Safety' | 'Validity' | 'Liveness';

export interface Proof {
  readonly property: PropertyName;
  readonly configuration: string;
  readonly bounds: string;
  /** Of exhaustive searches; 0 for runs. */
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** Of sampled runs; 0 for searches. */
  readonly runs: number;
  readonly isExhaustive: boolean;
  /** Of everything that was visited: equal for equal code, configuration and seed. */
  readonly digest: string;
  readonly violations: readonly string[];
}

export interface Verifiable {
  readonly property: PropertyName;
  verify(): Proof;
}

/** Agreement, lock discipline, one of a kind, certificates, and accountability, of the round machine. */
export function safety(engine: Engine, check: Check, limits: Limits): Verifiable {
  return { property: 'Safety', verify: () => proofOf('Safety', explored(engine, check, limits)) };
}

/** Only valid blocks that a proposer proposed are voted for and decided. */
export function validity(engine: Engine, check: Check, limits: Limits): Verifiable {
  return { property: 'Validity', verify: () => proofOf('Validity', explored(engine, check, limits)) };
}

/** Everybody honest decides within a bound of rounds after the network has come to order; sampled. */
export function liveness(engine: Engine, options: LivenessOptions): Verifiable {
  return {
    property: 'Liveness',
    verify: () => {
      const result = runLiveness(engine, options);
      return {
        property: 'Liveness',
        configuration: '4 validators, stakes and placements at random, the real driver and vote keeper',
        bounds: `decision within ${options.roundsMax} rounds after order returns; seed ${options.seed}`,
        states: 0,
        transitions: result.inputs,
        depth: result.worstRounds,
        runs: result.runs,
        isExhaustive: false,
        digest: result.digest,
        violations: result.violations,
      };
    },
  };
}

/** No honest validator can be incriminated, whatever it is told: every life of one validator under all inputs, true or not. */
export function aloneAgainstAll(engine: Engine, rounds: number, pattern: number): Verifiable {
  const turns = Array.from({ length: rounds }, (_, round) => round).filter(
    (round) => ((pattern >> round) & 1) === 1,
  );
  const configuration = `one validator, proposer of rounds ${turns.join() || 'none'}, all inputs at any time`;
  return verifiableOf(configuration, `${rounds} rounds of one height`, () => {
    const { states, inputs, digest, violations } = exploreAlone(engine, rounds, pattern);
    return { runs: 0, states, inputs, isExhaustive: violations.length === 0, digest, violations };
  });
}

/** The engine's evidence convicts for exactly those pairs of messages that the judge of this checker finds at odds. */
export function evidenceRules(engine: Engine): Verifiable {
  const said = vocabulary(ROUNDS_MAX).messages.map(({ message }) => ({
    ...message,
    signature: new Uint8Array(64),
  }));
  const pairs = said.flatMap((a) => said.map((b) => [a, b] as const));
  const isAtOdds = ([a, b]: (typeof pairs)[number]): boolean =>
    (engine.evidence.conflictOf(a as Vote, b as Vote) !== undefined) !== conflicts(a, b);
  return verifiableOf('pairs of messages of one validator', `${ROUNDS_MAX} rounds of one height`, () => ({
    runs: 0,
    states: pairs.length,
    inputs: 0,
    isExhaustive: true,
    digest: sha256(pairs.map(([a, b]) => (conflicts(a, b) ? '1' : '0')).join('')),
    violations: pairs.filter(isAtOdds).map(([a, b]) => `evidence: ${describe(a)}, and ${describe(b)}`),
  }));
}

export interface RefinementOptions {
  readonly runs: number;
  readonly seed: number;
  /** Every life of one round among three validators instead of four. */
  readonly isSmoke: boolean;
}

/** The driver and the vote keeper do what the rules say of the messages at hand: random lives, and all lives of one round. */
export function refinement(engine: Engine, { runs, seed, isSmoke }: RefinementOptions): Verifiable[] {
  const powers = isSmoke ? [2, 1, 1] : [1, 1, 1, 1];
  const whole = [0, 1].map((self): Verifiable => {
    const setting = { powers, self, slots: [...powers.keys()] };
    const configuration = `one validator, ${self === 0 ? 'the proposer' : 'not the proposer'}, stakes ${powers.join()}`;
    const bounds = 'every order of the events of one round, votes for one block and nil';
    return verifiableOf(configuration, bounds, () => exhaustRefinement(engine, setting));
  });
  const sampled = verifiableOf(
    'one validator in the most general surroundings, stakes at random',
    `any message at any time, 120 events a life; seed ${seed}`,
    () => walkRefinement(engine, { runs, seed }),
  );
  return [...whole, sampled];
}

function verifiableOf(configuration: string, bounds: string, run: () => RefinementResult): Verifiable {
  return {
    property: 'Safety',
    verify: () => {
      const { runs, states, inputs, isExhaustive, digest, violations } = run();
      const size = { states, transitions: inputs, depth: 0, runs };
      return { property: 'Safety', configuration, bounds, ...size, isExhaustive, digest, violations };
    },
  };
}

function explored(engine: Engine, check: Check, limits: Limits): Outcome {
  return runCheck(new Tables(engine, check.configurations), check, limits);
}

const isOfValidity = (problem: string): boolean => problem.includes('validity: ');

/** What an outcome says about one of the properties that are explored together. */
export function proofOf(property: 'Safety' | 'Validity', outcome: Outcome): Proof {
  const { explorations, check, problems } = outcome;
  const sum = (of: (one: (typeof explorations)[number]) => number): number =>
    explorations.reduce((total, one) => total + of(one), 0);
  const [first] = check.configurations;
  return {
    property,
    configuration: `${check.title}: stakes ${first!.powers.join()}, Byzantine ${first!.byzantine.join()}, ${explorations.length} placements`,
    bounds: `${first!.rounds} rounds of one height, two valid blocks and an invalid one`,
    states: sum((one) => one.states),
    transitions: sum((one) => one.transitions),
    depth: Math.max(...explorations.map((one) => one.depth)),
    runs: 0,
    isExhaustive: explorations.every((one) => one.isComplete),
    digest: sha256(explorations.map((one) => one.digest).join()),
    violations: problems.filter((problem) => isOfValidity(problem) === (property === 'Validity')),
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
