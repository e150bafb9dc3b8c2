// Which folders a piece of code syncs, seen where it matters: at the calls of the system.

import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Runs `run`; the paths, in order, of what it opened through `node:fs/promises` and synced with `sync`. */
export async function syncedPaths(run: () => Promise<unknown>): Promise<string[]> {
  const { open } = fs;
  const synced: string[] = [];
  fs.open = async (path, ...how) => {
    const handle = await open(path, ...how);
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      await sync();
      synced.push(String(path));
    };
    return handle;
  };
  syncBuiltinESMExports();
  try {
    await run();
  } finally {
    fs.open = open;
    syncBuiltinESMExports();
  }
  return synced;
}
