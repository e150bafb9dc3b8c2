// `npm run bench -- [kernel|log|lane|store|small|consensus|chain|names|idle]... [--quick] [--json]`: measurements as ratios within one run. A peer that the
// bench cannot install and does not find is a row that says so. Nothing here decides whether a test passes.

import { parseArgs } from 'node:util';
import { type BenchTable, printTable } from './table.ts';

export interface BenchOptions {
  readonly json: boolean;
  /** Smaller data and fewer rounds: for a look, not for a figure to quote. */
  readonly quick: boolean;
  /** The state of a million objects where the bench makes a smaller one otherwise. */
  readonly million?: boolean;
}

/** Loaded on demand: a bench pulls in native peers and worker pools. */
const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<readonly BenchTable[]>>> = {
  kernel: async (options) => [await (await import('./kernel.ts')).benchKernel(options)].flat(),
  log: async (options) => [await (await import('./piece-log.ts')).benchPieceLog(options)].flat(),
  lane: async (options) => [await (await import('./lane.ts')).benchLane(options)].flat(),
  store: async (options) => (await import('./store.ts')).benchStore(options),
  small: async (options) => (await import('./store.ts')).benchSmallObjects(options),
  consensus: async (options) => (await import('./consensus.ts')).benchConsensus(options),
  chain: async (options) => (await import('./chain.ts')).benchChain(options),
  idle: async (options) => (await import('./idle.ts')).benchIdle(options),
  names: async (options) => (await import('./names.ts')).benchNames(options),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    million: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  process.stderr.write(
    `unknown bench: ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}\n`,
  );
  process.exit(2);
}

const tables: Record<string, readonly BenchTable[]> = {};
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES)) {
  process.stderr.write(`bench ${name} ...\n`);
  tables[name] = await BENCHES[name]!(values);
  if (!values.json) for (const table of tables[name]) printTable(table);
}
if (values.json) process.stdout.write(`${JSON.stringify(tables)}\n`);
process.exit(0);
