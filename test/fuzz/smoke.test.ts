import { expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import { mutate, seeded } from './mutate.ts';
import { TARGETS } from './targets.ts';

const ROUNDS = 3000;

test.each(Object.entries(TARGETS))('%s throws StoreErrors and nothing else', (_name, target) => {
  for (const sample of target.samples) target.run(sample);
  const next = seeded(20_000);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutate(target.samples, next);
    try {
      target.run(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(StoreError);
      refused++;
    }
  }
  // The structure scan reports by value, the engine takes any input; every other target must have refused most of what it was shown.
  if (_name !== 'cbor' && _name !== 'engine') expect(refused).toBeGreaterThan(ROUNDS / 2);
});
