// `src/shards/apply.ts`, where a block that was executed before is not executed again, if everything is as it was then: the context, and
// every record that was read, byte for byte. Else it is executed here and now.

import { isDeepStrictEqual } from 'node:util';
import { equal } from '../../../../src/base/bytes.ts';
import * as real from '../../../../src/shards/apply.ts';
import type { Block } from '../../../../src/shards/block.ts';
import type { StateKey } from '../../../../src/shards/state-key.ts';
import type { Loaded, LoadedState } from '../../../../src/shards/view.ts';
import { isSharing, memo, textOf } from './sharing.ts';

export * from '../../../../src/shards/apply.ts';

interface Execution {
  readonly context: real.ChainContext;
  /** All that was loaded: what was read is among it. */
  readonly read: readonly (readonly [StateKey, Loaded])[];
  readonly applied: real.Applied;
}

/** By the bytes of the block. */
const executions = memo(new Map<string, Execution>());
/** What a state that is being loaded was asked for. */
const asked = new WeakMap<LoadedState, Map<string, StateKey>>();

export const applyBlock: typeof real.applyBlock = (state, block, context) => {
  if (!isSharing()) return real.applyBlock(state, block, context);
  const name = textOf(block.bytes);
  const earlier = executions.get(name);
  if (earlier !== undefined && isSame(earlier.context, context)) {
    const keys = earlier.read.map(([key]) => key);
    const missing = real.notLoaded(state, keys);
    if (missing.length > 0) return ask(state, { kind: 'missing', keys: missing });
    if (earlier.read.every(([key, record]) => isSameRecord(state.read(key), record))) return earlier.applied;
  }
  return execute(state, block, context, name);
};

function execute(
  state: LoadedState,
  block: Block,
  context: real.ChainContext,
  name: string,
): real.Missing | real.Invalid | real.Applied {
  const result = real.applyBlock(state, block, context);
  if (result.kind === 'missing') return ask(state, result);
  if (result.kind === 'applied') {
    const keys = [...(asked.get(state)?.values() ?? [])];
    executions.set(name, {
      context,
      read: keys.map((key) => [key, state.read(key)]),
      applied: result,
    });
  }
  return result;
}

function ask(state: LoadedState, missing: real.Missing): real.Missing {
  let keys = asked.get(state);
  if (keys === undefined) asked.set(state, (keys = new Map()));
  for (const key of missing.keys) keys.set(key.text, key);
  return missing;
}

function isSame(a: real.ChainContext, b: real.ChainContext): boolean {
  return a === b || isDeepStrictEqual(a, b);
}

function isSameRecord(a: Loaded, b: Loaded): boolean {
  return a === b || (a !== null && b !== null && equal(a, b));
}
