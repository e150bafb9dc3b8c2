// Twins in the small; `npm run sim -- --twins` is the long form.

import { describe, expect, test } from 'vitest';
import { isWithinBound, TWINS_PLANS, type TwinsPlan } from './twins-script.ts';
import { runTwins, type TwinsResult } from './twins.ts';

const results = (plan: TwinsPlan, count: number): TwinsResult[] =>
  Array.from({ length: count }, (_, index) => runTwins(index + 1, plan));

const failures = (all: readonly TwinsResult[]): string[] =>
  all.flatMap(({ seed, plan, violation }) =>
    violation === undefined ? [] : [`seed ${seed}, ${JSON.stringify(plan)}: ${violation}`],
  );

describe.each(TWINS_PLANS.filter(isWithinBound))(
  '$pairCount twinned of $validatorCount, within the bound',
  (plan) => {
    test('all others agree, and soon after the script all have decided', () => {
      const all = results(plan, 250);
      expect(failures(all)).toEqual([]);
      expect(all.filter(({ isForked }) => isForked)).toEqual([]);
      // The scripts are worth something: often they keep the others from deciding.
      expect(all.filter(({ roundsAfter }) => roundsAfter > 0).length).toBeGreaterThan(20);
    });
  },
);

describe.each(TWINS_PLANS.filter((plan) => !isWithinBound(plan)))(
  '$pairCount twinned of $validatorCount, beyond the bound',
  (plan) => {
    test('some scripts fork, and every fork convicts more than a third, all of them twins', () => {
      const all = results(plan, 200);
      expect(failures(all)).toEqual([]);
      const forks = all.filter(({ isForked }) => isForked);
      expect(forks.length).toBeGreaterThan(3);
      for (const { convicted } of forks) expect(convicted.size).toBeGreaterThan(plan.validatorCount / 3);
    });
  },
);

test('a seed decides everything', () => {
  for (const plan of TWINS_PLANS) expect(runTwins(5, plan)).toEqual(runTwins(5, plan));
});
