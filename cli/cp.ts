// `store cp`: one name to another, a file to a name as put does, a name to a file as get does.

import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ClientFlags, CommandSpec, Context } from './command.ts';
import { get } from './get.ts';
import { type ConditionFlags, conditionIn, IF_MATCH, IF_NONE_MATCH, KEY_OPTIONS } from './names.ts';
import { put } from './put.ts';
import type { Flags } from './settings.ts';

export const cp: CommandSpec = {
  name: 'cp',
  summary: 'copy between names, or between a file and a name',
  operands: '<from> <to>',
  completes: 'files',
  options: [
    { flags: '-f, --force', help: 'replace a local file if it exists' },
    IF_MATCH,
    IF_NONE_MATCH,
    { flags: '--create-bucket', help: "make the new name's bucket if it is not there" },
    ...KEY_OPTIONS,
  ],
  details: `A copy of a name is a second name of the same object: no byte is sent, and the
object stays until the last of its names is removed. What begins with store://
is a name; everything else is a file.

Examples:
  store cp store://photos/cat.jpg store://archive/
  store cp cat.jpg store://photos/
  store cp store://photos/cat.jpg .`,
  async run(context, [from, to], flags) {
    const { isRemote } = await import('./names.ts');
    const [isFromStore, isToStore] = [isRemote(from!), isRemote(to!)];
    if (isFromStore && isToStore) return copy(context, from!, to!, flags);
    if (isToStore) return put.run(context, [from!, to!], flags);
    const { StoreError } = await import('../src/base/errors.ts');
    if (!isFromStore) {
      throw new StoreError('INVALID_ARGUMENT', 'neither of the two is in the store', {
        next: 'Write names as store://bucket/key.',
      });
    }
    if (conditionIn(flags as ConditionFlags) !== undefined) {
      throw new StoreError('INVALID_ARGUMENT', 'conditions are about the new name, and that is a file', {
        next: 'Leave them out.',
      });
    }
    return get.run(context, [from!, await fileFor(to!, from!)], flags);
  },
};

async function copy(context: Context, from: string, to: string, flags: Flags): Promise<undefined> {
  const { withStore } = await import('./open.ts');
  const { checkName, nameFor, settleWrite } = await import('./names.ts');
  const { makeBucket } = await import('./put.ts');
  const condition = conditionIn(flags as ConditionFlags);
  await checkName(from);
  const name = await nameFor(to, from);
  const result = await withStore(context, flags as ClientFlags, async (open) => {
    if (flags['createBucket'] === true) await makeBucket(context, open, name);
    const write = await open.store.copy(from, name, {
      ...open.events,
      ...(condition === undefined ? {} : { to: condition }),
    });
    return settleWrite(context, write);
  });
  context.output.result(name, { from, ...result });
  context.output.note(`etag ${String(result['etag'])}`);
  return undefined;
}

/** In a folder, the file is called like the last part of the key. */
async function fileFor(path: string, uri: string): Promise<string> {
  const { isNameUri } = await import('../src/client/names/path.ts');
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  return isFolder && isNameUri(uri) ? join(path, basename(uri)) : path;
}
