import { toHex } from '../../src/base/bytes.ts';
import type { StoreError } from '../../src/base/errors.ts';
import { MemoryLog } from '../../src/runtime/memory-log.ts';
import { pieceLogSuite } from '../suites/piece-log.ts';

pieceLogSuite('log in memory', async (setup) => {
  const damaged: string[] = [];
  const failures: StoreError[] = [];
  const log = new MemoryLog({
    ...setup,
    onDamage: (key) => damaged.push(toHex(key)),
    onFailure: (failure) => failures.push(failure),
  });
  return {
    log,
    damaged,
    failures,
    rot: async (key) => log.rot(key),
    breakDisk: () => log.fail(),
    setFreeBytes: (bytes) => log.setFreeBytes(bytes),
  };
});
