// `npm run mutants`: seeds every bug of the list into the engine and lets the checkers find it. Exit code 1 when one is not
// found.

import { parseArgs } from 'node:util';
import { CONSENSUS_MUTANTS } from './consensus.ts';
import { type Finding, hunt } from './workshop.ts';

const HELP = `Usage: npm run mutants -- [--json] [NAME...]

Seeds bugs into copies of the engine and lets model checker, simulator and unit tests find them.
NAME limits it to bugs whose name contains one of the words.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help === true) {
    console.log(HELP);
    return 0;
  }
  const chosen = CONSENSUS_MUTANTS.filter(
    ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
  );
  if (chosen.length === 0) {
    console.error(`no seeded bug has a name with: ${positionals.join(', ')}`);
    return 2;
  }
  const findings: Finding[] = [];
  for (const mutant of chosen) {
    const finding = await hunt(mutant);
    findings.push(finding);
    if (values.json !== true) console.log(lineOf(finding));
  }
  const lost = findings.filter(({ killer }) => killer === undefined);
  if (values.json === true) console.log(JSON.stringify({ findings }, undefined, 2));
  else console.log(`${findings.length - lost.length} of ${findings.length} seeded bugs were found`);
  return lost.length === 0 ? 0 : 1;
}

function lineOf({ mutant, killer, seconds, words }: Finding): string {
  const name = mutant.padEnd(38);
  if (killer === undefined) return `${name} NOT FOUND after ${seconds.toFixed(1)} s\n${words}`;
  return `${name} ${killer.padEnd(10)} ${seconds.toFixed(1).padStart(6)} s`;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
