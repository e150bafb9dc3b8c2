// `src/shards/block.ts`, where a block that was decoded before is not decoded again.

import * as real from '../../../../src/shards/block.ts';
import { isSharing, memo, textOf } from './sharing.ts';

export * from '../../../../src/shards/block.ts';

/** By its bytes. What is refused is not kept. */
const decoded = memo(new Map<string, real.Block>());

export const decodeBlock: typeof real.decodeBlock = (bytes, kinds, sha256) => {
  if (!isSharing()) return real.decodeBlock(bytes, kinds, sha256);
  const text = textOf(bytes);
  let block = decoded.get(text);
  if (block === undefined) {
    block = Object.freeze(real.decodeBlock(bytes, kinds, sha256));
    decoded.set(text, block);
  }
  return block;
};
