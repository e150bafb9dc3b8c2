// The simulator in the small: a campaign of some hundred seeds, one scenario for every kind of fault, the same digest for the same
// seed, and the proof that the checks see what they are there for. `npm run sim` is the long form.

import { describe, expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import type { EngineState } from '../../src/consensus/engine-state.ts';
import type { BlockId, Input } from '../../src/consensus/types.ts';
import type { HostEngine } from '../../src/node/validator/host.ts';
import { blockIdOf } from './application.ts';
import { FAULT_KINDS } from './faults.ts';
import { honest } from './honest.ts';
import { type RunOptions, type RunResult, run } from './run.ts';
import type { Scenario } from './scenario.ts';
import { Story } from './story.ts';
import { Tally } from './tally.ts';
import type { ParticipantFactory, Place } from './world.ts';
import { type OutgoingFilter, signAt, silent, withIncoming, withOutgoing } from './wrapped.ts';

/** What failed, and the command that repeats it. */
function failures(results: readonly RunResult[]): string[] {
  return results
    .filter(({ violation }) => violation !== undefined)
    .map(
      ({ seed, violation }) =>
        `${violation!.property}: ${violation!.text} (npm run sim -- --seed ${seed} --story)`,
    );
}

const seeds = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('honest validators', () => {
  test('stay safe through storms and go on in the quiet after them', () => {
    const results = seeds(1, 150).map((seed) => run(seed));
    expect(failures(results)).toEqual([]);
    const total = new Tally();
    for (const { tally } of results) total.merge(tally);
    for (const [name, count] of total.entries()) expect(count, name).toBeGreaterThan(0);
    expect(results.reduce((sum, { heights }) => sum + heights, 0)).toBeGreaterThan(1000);
  });

  test.each(FAULT_KINDS)('survive %s', (kind) => {
    const results = seeds(5000, 6).map((seed) => run(seed, { faultKinds: [kind], validatorCount: 4 }));
    expect(failures(results)).toEqual([]);
    const total = new Tally();
    for (const { tally } of results) total.merge(tally);
    expect(total.entries().length).toBeGreaterThan(0);
  });

  test('stay silent when their log was deleted, through further crashes', () => {
    const results = seeds(6000, 30).map((seed) => run(seed, { faultKinds: ['lost log', 'crash'] }));
    expect(failures(results)).toEqual([]);
    expect(results.some(({ tally }) => tally.get('lost log planned') > 0)).toBe(true);
  });

  test('halt when a quorum decides what their application found invalid, and that is seen', () => {
    const deaf = (scenario: Scenario) =>
      honest({
        timeouts: scenario.timeouts,
        habits: scenario.habits[0]!,
        engine: (real) => ({
          ...real,
          step: (state, input) =>
            real.step(state, input.kind === 'verdict' ? { ...input, isValid: false } : input),
        }),
      });
    const options = (faulty: readonly number[]): RunOptions => ({
      validatorCount: 7,
      areAllSound: true,
      faultKinds: [],
      arrange: (scenario) => ({ ...scenario, faulty: new Set(faulty) }),
      participant: (process, scenario) => (process === 0 ? deaf(scenario) : undefined),
    });
    expect(run(8000, options([])).violation).toMatchObject({ property: 'validity' });
    const tolerated = run(8000, options([0]));
    expect(tolerated.violation).toBeUndefined();
    expect(tolerated.tally.get('exit INTERNAL')).toBeGreaterThan(0);
  });

  test('agree with real signatures, too', () => {
    const results = seeds(7000, 2).map((seed) => run(seed, { hasRealSignatures: true, validatorCount: 4 }));
    expect(failures(results)).toEqual([]);
  });

  test('agree when every message goes through its wire form', () => {
    const arrange = (scenario: Scenario): Scenario => ({ ...scenario, isWire: true });
    expect(failures(seeds(8000, 5).map((seed) => run(seed, { arrange })))).toEqual([]);
  });
});

describe('a seed decides everything', () => {
  test('the same one gives the same digest, another one another', () => {
    for (const seed of [11, 98, 210]) {
      const first = run(seed);
      const second = run(seed);
      expect(second.digest).toBe(first.digest);
      expect(second.tally.entries()).toEqual(first.tally.entries());
      expect(run(seed + 1).digest).not.toBe(first.digest);
    }
  });

  test('watching changes nothing', () => {
    const story = new Story(true);
    expect(run(98, { story }).digest).toBe(run(98).digest);
    expect(story.lines(10)).toHaveLength(10);
  });
});

describe('the checks see', () => {
  const four: RunOptions = { validatorCount: 4, areAllSound: true, faultKinds: [] };

  const found = (count: number, options: RunOptions): string[] =>
    seeds(1, count).flatMap((seed) => run(seed, { ...four, ...options }).violation?.property ?? []);

  /** Replaces the engine of all processes. */
  const withEngine =
    (change: (real: HostEngine<EngineState>) => HostEngine<EngineState>) =>
    (process: number, scenario: Scenario): ParticipantFactory =>
      honest({ timeouts: scenario.timeouts, habits: scenario.habits[process]!, engine: change });

  test('two decisions of one height, when half of the power lies', () => {
    const arrange = (scenario: Scenario): Scenario => ({ ...scenario, faulty: new Set([0, 1]) });
    const lies = new Map<BlockId, Lie>();
    const participant = (process: number, scenario: Scenario): ParticipantFactory | undefined =>
      process < 2
        ? withOutgoing(honest({ timeouts: scenario.timeouts, habits: scenario.habits[process]! }), (place) =>
            twoFaced(place, lies),
          )
        : undefined;
    expect(found(4, { arrange, participant })).toContain('agreement');
  });

  test('a quorum of half the power', () => {
    const halved = (input: Input): Input => {
      if (input.kind !== 'start-height') return input;
      const { validators } = input.start;
      const lighter = { ...validators, totalPower: (validators.totalPower * 3n) / 4n };
      return { ...input, start: { ...input.start, validators: lighter } };
    };
    const participant = withEngine((real) => ({
      ...real,
      step: (state, input) => real.step(state, halved(input)),
    }));
    expect(found(4, { participant })).toContain('validity');
  });

  test('a word that its guard never saw', () => {
    const participant = (process: number, scenario: Scenario): ParticipantFactory | undefined => {
      const inner = honest({ timeouts: scenario.timeouts, habits: scenario.habits[process]! });
      return process === 2 ? withOutgoing(inner, alwaysNil) : undefined;
    };
    expect(found(1, { participant })).toEqual(['self-incrimination']);
  });

  test('that nobody decides without a quorum', () => {
    const arrange = (scenario: Scenario): Scenario => ({ ...scenario, faulty: new Set([0, 1]) });
    const participant = (process: number): ParticipantFactory | undefined =>
      process < 2 ? silent : undefined;
    expect(found(2, { arrange, participant })).toEqual(['liveness', 'liveness']);
  });

  test('a validator that hears nothing', () => {
    const participant = (process: number, scenario: Scenario): ParticipantFactory | undefined => {
      const inner = honest({ timeouts: scenario.timeouts, habits: scenario.habits[process]! });
      return process === 3 ? withIncoming(inner, () => () => []) : undefined;
    };
    expect(found(1, { participant })).toEqual(['liveness']);
  });

  test('a process that dies of a broken invariant', () => {
    const participant = withEngine((real) => ({
      ...real,
      resume: () => assert(false, 'it resumes') as never,
    }));
    expect(found(12, { participant, faultKinds: ['crash'] })).toContain('crash');
  });
});

/** Precommits nil, whatever the honest one inside precommitted. */
function alwaysNil(place: Place): OutgoingFilter {
  return ({ message, block, to }) => {
    if (message.kind !== 'precommit') return [{ message, block, to }];
    const { signature: _signature, ...said } = message;
    return [{ message: signAt(place, { ...said, blockId: null }), block, to }];
  };
}

interface Lie {
  readonly blockId: BlockId;
  readonly block: Uint8Array;
}

/** Tells validator 3 of another block than the others, and votes there for that one. `lies` is shared by those who are in it. */
function twoFaced(place: Place, lies: Map<BlockId, Lie>): OutgoingFilter {
  return ({ message, block, to }) => {
    if (to !== undefined || !('validator' in message)) return [{ message, block, to }];
    if (message.kind === 'proposal' && block !== undefined && !lies.has(message.blockId)) {
      const other = block.slice();
      other[SERIAL_AT]! ^= 1;
      lies.set(message.blockId, { blockId: blockIdOf(other), block: other });
    }
    const lie = message.blockId === null ? undefined : lies.get(message.blockId);
    const { signature: _signature, ...said } = message;
    const other = lie === undefined ? message : signAt(place, { ...said, blockId: lie.blockId });
    const honestOnes = [0, 1, 2].map((validator) => ({ message, block, to: validator }));
    return [...honestOnes, { message: other, block: block && lie?.block, to: 3 }];
  };
}

/** Within a block of the simulated application: nothing hangs on it. */
const SERIAL_AT = 40;
