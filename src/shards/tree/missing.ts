// Which stored nodes stand between a root and given paths. Whoever works on a tree asks this first and decides only when
// everything is there: a call that has to come back costs look-ups and no hash. Each round of loading goes one level down,
// so there are at most as many as the tree is deep, about log2 of its leaves.

import { nodeKey } from './node-key.ts';
import type { LoadedNodes, Missing, Subtree, Tree } from './node.ts';
import { firstRight } from './path.ts';

interface Placed {
  readonly path: Uint8Array;
}

/** What has to be loaded before the ways to all of `sorted`, ascending and under the prefix of the tree, are known further. */
export function missingOnWays(
  loaded: LoadedNodes,
  tree: Tree,
  sorted: readonly Placed[],
): Missing | undefined {
  const keys: Missing['keys'][number][] = [];
  const descend = (subtree: Subtree, depth: number, from: number, to: number): void => {
    if (from === to || subtree.kind !== 'inner') return;
    const key = nodeKey(subtree.version, sorted[from]!.path, depth);
    const node = loaded.get(key);
    if (node === undefined) {
      keys.push(key);
      return;
    }
    const middle = firstRight(sorted, from, to, depth);
    descend(node.left, depth + 1, from, middle);
    descend(node.right, depth + 1, middle, to);
  };
  descend(tree.top, tree.prefix.length, 0, sorted.length);
  return keys.length === 0 ? undefined : { kind: 'missing', keys };
}
