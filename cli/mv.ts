// `store mv`: another name for what a name stands for; the bytes stay where they are.

import type { ClientFlags, CommandSpec } from './command.ts';
import { type ConditionFlags, conditionIn, IF_MATCH, IF_NONE_MATCH, KEY_OPTIONS } from './names.ts';

export const mv: CommandSpec = {
  name: 'mv',
  summary: 'move a name, also to another bucket',
  operands: '<from> <to>',
  options: [IF_MATCH, IF_NONE_MATCH, ...KEY_OPTIONS],
  details: `The conditions are about the new name. Between buckets both names stand for the
object for a moment, and at no moment neither.

Example:
  store mv store://photos/cat.jpg store://archive/2024/`,
  async run(context, [from, to], flags) {
    const { withStore } = await import('./open.ts');
    const { checkName, isRemote, nameFor, settleWrite } = await import('./names.ts');
    const condition = conditionIn(flags as ConditionFlags);
    if (!isRemote(from!) || !isRemote(to!)) {
      const { StoreError } = await import('../src/base/errors.ts');
      throw new StoreError('INVALID_ARGUMENT', 'only names in the store can be moved', {
        next: 'Copy a file with "store cp FILE store://bucket/key", then remove it.',
      });
    }
    await checkName(from!);
    const name = await nameFor(to!, from!);
    const result = await withStore(context, flags as ClientFlags, async ({ store, events }) => {
      const write = await store.move(from!, name, {
        ...events,
        ...(condition === undefined ? {} : { to: condition }),
      });
      return settleWrite(context, write);
    });
    context.output.result(name, { from, ...result });
    context.output.note(`etag ${String(result['etag'])}`);
    return undefined;
  },
};
