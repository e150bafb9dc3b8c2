// A build of the node whose validator signs twice: `node --import` of this file before `cli/main.ts` is the command as it is, but what opens
// the network opens the double signer's. Nothing of the product knows this file.

import { registerHooks } from 'node:module';

const REAL = new URL('../../src/runtime/network.ts', import.meta.url).href;
const REPLACED = new URL('./double-signing-network.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const isForIt = resolved.url === REAL && context.parentURL !== REPLACED;
    return isForIt ? { ...resolved, url: REPLACED } : resolved;
  },
});
