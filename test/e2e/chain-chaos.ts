// The long form of the test of names under kills and freezes.
//   node test/e2e/chain-chaos.ts [runs, 100] [seed, from the clock]
// Prints a line per 5 histories and the seed; ends with exit code 1 at the first history that no register gives.

import { chaos } from '../linearizability/chaos.ts';

const runs = Number(process.argv[2] ?? 100);
const seed = Number(process.argv[3] ?? Date.now() % 100_000);
console.log(`${runs} histories, seed ${seed}; repeat with: node test/e2e/chain-chaos.ts ${runs} ${seed}`);
const counts = await chaos({
  nodes: 4,
  clients: 4,
  keys: 2,
  runs,
  runMs: 6_000,
  leastKnown: 5,
  seed,
  onRun: (run, soFar) => {
    if (run % 5 === 0) console.log(`${run} histories in order: ${JSON.stringify(soFar)}`);
  },
});
console.log(`${runs} histories, all in order: ${JSON.stringify(counts)}`);
