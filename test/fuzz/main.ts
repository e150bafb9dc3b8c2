// `npm run fuzz -- NAME [--seed N] [--seconds N]` or `-- --list`: mutates good samples of one decoder until time is up. Anything
// thrown but a StoreError, and any input that takes over a second, is a finding: it prints the seed and the command that repeats it.

import { parseArgs } from 'node:util';
import { StoreError } from '../../src/base/errors.ts';
import { toHex } from '../../src/base/bytes.ts';
import { mutate, seeded } from './mutate.ts';
import { TARGETS } from './targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean' },
    seed: { type: 'string' },
    seconds: { type: 'string', default: '60' },
  },
});
const name = positionals[0] ?? '';
const target = TARGETS[name];
if (values.list === true || target === undefined) {
  process.stderr.write(`targets: ${Object.keys(TARGETS).join(', ')}\n`);
  process.exit(values.list === true ? 0 : 2);
}

const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const next = seeded(seed);
const until = performance.now() + 1000 * Number(values.seconds);
let count = 0;
for (; performance.now() < until; count++) {
  const bytes = mutate(target.samples, next);
  const started = performance.now();
  const finding = problemOf(() => target.run(bytes), started);
  if (finding !== undefined) {
    process.stderr.write(
      `${finding}\ninput ${toHex(bytes)}\nrepeat: npm run fuzz -- ${name} --seed ${seed}\n`,
    );
    process.exit(1);
  }
}
process.stdout.write(`${name}: ${count} inputs, seed ${seed}, nothing found\n`);

function problemOf(use: () => void, started: number): string | undefined {
  try {
    use();
  } catch (error) {
    if (!(error instanceof StoreError))
      return `untyped error: ${error instanceof Error ? error.stack : String(error)}`;
  }
  return performance.now() - started > 1000 ? 'took over a second' : undefined;
}
