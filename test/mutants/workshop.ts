// Seeds a bug into a copy of the sources and lets the checkers look for it. The copy is of what the checkers need, in a
// temporary folder with the project's packages linked in, so that the checkers run there as they run here.

import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

export interface Edit {
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** A checker: a program, or files of tests. It has found the bug when it ends with exit code 1. */
export type Killer =
  | { readonly name: 'model' | 'simulator'; readonly script: string; readonly args: readonly string[] }
  | { readonly name: 'unit' | 'adversary' | 'transcript'; readonly tests: readonly string[] };

export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly killers: readonly Killer[];
}

export interface Finding {
  readonly mutant: string;
  /** Undefined: nobody found it. */
  readonly killer: Killer['name'] | undefined;
  readonly seconds: number;
  /** The end of what the killer said; of the last one when none found it. */
  readonly words: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['src', 'test', 'package.json', 'vitest.config.ts', 'tsconfig.json'];
/** A checker that has not ended by then has found that the engine hangs. */
const KILLER_LIMIT_MS = 15 * 60_000;
/** How much of a checker's output is kept. */
const WORDS_MAX = 2000;

/** The file with the edit made. Throws when the passage is not there exactly once: the bug has to follow the code. */
export function edited(text: string, edit: Edit): string {
  const count = text.split(edit.find).length - 1;
  if (count !== 1) throw new Error(`${edit.file}: the passage to change stands there ${count} times`);
  return text.replace(edit.find, () => edit.replace);
}

/** The problem that keeps the bug from being seeded, or undefined. */
export function problemOf(mutant: Mutant): string | undefined {
  // A checker that is not there ends as if it had found the bug.
  const missing = mutant.killers.flatMap(filesOf).find((file) => !existsSync(join(root, file)));
  if (missing !== undefined) return `${mutant.name}: there is no ${missing}`;
  try {
    for (const [file, edits] of byFile(mutant)) edits.reduce(edited, readFileSync(join(root, file), 'utf8'));
    return undefined;
  } catch (error) {
    return `${mutant.name}: ${(error as Error).message}`;
  }
}

const filesOf = (killer: Killer): readonly string[] => ('tests' in killer ? killer.tests : [killer.script]);

export async function hunt(mutant: Mutant): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-mutant-'));
  const begin = performance.now();
  const seconds = (): number => (performance.now() - begin) / 1000;
  try {
    prepare(folder, mutant);
    let words = '';
    for (const killer of mutant.killers) {
      const { exitCode, output } = await run(folder, killer);
      words = output;
      if (exitCode === 1) return { mutant: mutant.name, killer: killer.name, seconds: seconds(), words };
      if (exitCode !== 0) throw new Error(`${mutant.name}: the ${killer.name} broke down: ${output}`);
    }
    return { mutant: mutant.name, killer: undefined, seconds: seconds(), words };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function prepare(folder: string, mutant: Mutant): void {
  for (const name of COPIED) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, edits] of byFile(mutant)) {
    const path = join(folder, file);
    writeFileSync(path, edits.reduce(edited, readFileSync(path, 'utf8')));
  }
}

function byFile(mutant: Mutant): Map<string, Edit[]> {
  const files = new Map<string, Edit[]>();
  for (const edit of mutant.edits) files.set(edit.file, [...(files.get(edit.file) ?? []), edit]);
  return files;
}

function run(folder: string, killer: Killer): Promise<{ exitCode: number; output: string }> {
  const args =
    'tests' in killer
      ? [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...killer.tests]
      : [killer.script, ...killer.args];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-WORDS_MAX);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    let hasHung = false;
    const limit = setTimeout(() => {
      hasHung = true;
      child.kill('SIGKILL');
    }, KILLER_LIMIT_MS);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(limit);
      resolve({ exitCode: hasHung ? 1 : (code ?? 2), output });
    });
  });
}
