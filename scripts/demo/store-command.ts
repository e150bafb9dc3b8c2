// Runs the `store` command as a person would: through bin/store.cjs, as a process of its own.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const STORE: string = fileURLToPath(new URL('../../bin/store.cjs', import.meta.url));

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Words in front of the command, e.g. to run it in a network namespace. */
  readonly prefix?: readonly string[];
}

export interface CommandResult {
  /** 128 and more when a signal ended it, as a shell says. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly durationMs: number;
}

const TIMEOUT_MS = 120_000;

/** Runs `store ARGS`. Resolves however it ends; after `timeoutMs` it is killed. */
export function runStore(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const startedAt = performance.now();
  const [program, ...words] = [...(options.prefix ?? []), process.execPath, STORE, ...args];
  const child = spawn(program!, words, {
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const chunks: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const durationMs = performance.now() - startedAt;
      resolve({ exitCode: code ?? 137, stdout: Buffer.concat(chunks), stderr, durationMs });
    });
  });
}

/** The object that `store ARGS --json` prints. Throws what the command says when it fails. */
export async function storeJson<T>(args: readonly string[], options: CommandOptions = {}): Promise<T> {
  const result = await runStore([...args, '--json'], options);
  const text = result.stdout.toString();
  if (result.exitCode !== 0)
    throw new Error(`store ${args[0]} ended with ${result.exitCode}: ${text}${result.stderr}`);
  return JSON.parse(text) as T;
}

/** The environment without settings of whoever runs this. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_')));
}
