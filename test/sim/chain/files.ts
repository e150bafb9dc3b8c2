// The files of a process on a simulated machine: the disk that loses what was not synced, with syncs that take their time, fail or never
// end because the process is gone.

import type { Files, OpenFile } from '../../../src/runtime/files.ts';
import { never } from './database.ts';
import type { Life, Machine } from './machine.ts';

export function filesOf(machine: Machine, life: Life): Files {
  const { files } = machine;
  const act = <T>(run: () => Promise<T>): Promise<T> => (life.goesOn() ? run() : never());
  const synced = async (run: () => Promise<void>): Promise<void> => {
    if (!life.goesOn()) return await never();
    await life.disk();
    await run();
  };
  const watched = (file: OpenFile): OpenFile => ({
    read: (into, position) => file.read(into, position),
    write: (parts, position) => act(() => file.write(parts, position)),
    sync: () => synced(() => file.sync()),
    truncate: (length) => act(() => file.truncate(length)),
    stat: () => file.stat(),
    close: () => file.close(),
  });
  return {
    open: (path, mode) => act(async () => watched(await files.open(path, mode))),
    makeDirectory: () => files.makeDirectory(),
    list: (path) => files.list(path),
    rename: (from, to) => act(() => files.rename(from, to)),
    link: (existing, name) => act(() => files.link(existing, name)),
    remove: (path) => act(() => files.remove(path)),
    removeTree: (path) => act(() => files.removeTree(path)),
    syncDirectory: (path) => synced(() => files.syncDirectory(path)),
    space: () => files.space(),
  };
}
