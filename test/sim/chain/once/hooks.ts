// Has modules of the ledger that work out the same at every node replaced by ones that do it once: a run of seven nodes executes each block,
// and decodes each record, seven times. What a module gives is a function of what it gets, so nobody can tell but by the time it takes.
//
// Only what is imported after `shareWork` is replaced. Where Node cannot replace modules, nothing is shared.

import * as nodeModule from 'node:module';

const REPLACED: ReadonlyMap<string, string> = new Map(
  [
    ['base/codec.ts', 'codec.ts'],
    ['base/hash.ts', 'hash.ts'],
    ['consensus/proposer.ts', 'proposer.ts'],
    ['runtime/crypto.ts', 'crypto.ts'],
    ['shards/apply.ts', 'apply.ts'],
    ['shards/block.ts', 'block.ts'],
    ['shards/transaction.ts', 'transaction.ts'],
  ].map(([from, to]) => [
    new URL(`../../../../src/${from}`, import.meta.url).href,
    new URL(to!, import.meta.url).href,
  ]),
);

export function shareWork(): void {
  if (typeof nodeModule.registerHooks !== 'function') return;
  nodeModule.registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      const instead = REPLACED.get(resolved.url);
      // The replacement itself gets the real one.
      return instead === undefined || instead === context.parentURL
        ? resolved
        : { ...resolved, url: instead };
    },
  });
}
