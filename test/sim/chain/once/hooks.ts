// Has modules that work out the same at every node replaced by ones that do it once: seven nodes decode each record and hash each part of
// each tree seven times. What these give is a function of what they get, so nobody can tell but by the time it takes. Signatures are
// checked and blocks executed by every node for itself.
//
// Only what is imported after `shareWork` is replaced. Where Node cannot replace modules, nothing is shared.

import * as nodeModule from 'node:module';

const REPLACED: ReadonlyMap<string, string> = new Map(
  [
    ['base/codec.ts', 'codec.ts'],
    ['base/hash.ts', 'hash.ts'],
    ['consensus/proposer.ts', 'proposer.ts'],
    ['runtime/crypto.ts', 'crypto.ts'],
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
