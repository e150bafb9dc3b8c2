// Loaded into node processes (`--import`) by the bench of names: writes down when the steps of agreement begin and end, without a line in the sources.
// BENCH_TRACE names the folder; times are milliseconds since 1970.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface TraceLine {
  readonly what: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly detail: string;
}

const folder = process.env['BENCH_TRACE'];
const isNode = process.argv.includes('node') && process.argv.includes('--dir');

if (folder !== undefined && isNode) {
  const lines: string[] = [];
  const path = join(folder, `${process.pid}.jsonl`);
  setInterval(() => {
    if (lines.length > 0) appendFileSync(path, lines.splice(0).join(''));
  }, 250).unref();
  const now = (): number => performance.timeOrigin + performance.now();
  const note = (line: TraceLine): void => void lines.push(`${JSON.stringify(line)}\n`);
  const source = (name: string): string => fileURLToPath(new URL(`../../src/node/${name}`, import.meta.url));

  type Method = (...parts: never[]) => unknown;
  const wrap = (owner: object, name: string, detail: (parts: readonly unknown[]) => string): void => {
    const target = owner as Record<string, Method>;
    const original = target[name]!;
    target[name] = function traced(this: unknown, ...parts: never[]): unknown {
      const fromMs = now();
      const result = original.apply(this, parts);
      const end = (): void => note({ what: name, fromMs, toMs: now(), detail: detail(parts) });
      if (result instanceof Promise) void result.then(end, end);
      else end();
      return result;
    };
  };
  const nothing = (): string => '';
  const first = (parts: readonly unknown[]): string => String(parts[0]);
  const message = (parts: readonly unknown[]): string => {
    const { kind, height } = parts.find((part) => typeof part === 'object') as {
      kind: string;
      height: number;
    };
    return `${kind} ${height}`;
  };
  const { Intake } = await import(source('chain/intake.ts'));
  wrap(Intake.prototype, 'submit', nothing);
  wrap(Intake.prototype, 'offer', nothing);
  const { Chain } = await import(source('chain/chain.ts'));
  wrap(Chain.prototype, 'build', first);
  wrap(Chain.prototype, 'judge', first);
  wrap(Chain.prototype, 'commit', (parts) => String((parts[0] as { height: number }).height));
  const { ValidatorTransport } = await import(source('validator/transport.ts'));
  wrap(ValidatorTransport.prototype, 'broadcast', message);
  const { ValidatorHost } = await import(source('validator/host.ts'));
  wrap(ValidatorHost.prototype, 'receive', message);
  const { GuardFile } = await import(source('validator/guard-file.ts'));
  wrap(GuardFile.prototype, 'write', nothing);
  const { ChainQueries } = await import(source('chain/queries.ts'));
  for (const name of ['prove', 'transaction', 'head', 'submit']) wrap(ChainQueries.prototype, name, nothing);
}
