import { spawn } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentShape } from '../../src/replication/segment.ts';
import { createCoder, createTwinCoder } from '../../src/runtime/coder/coder.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { coderSuite } from '../suites/coder.ts';

const KEY = new Uint8Array(32).fill(5);

coderSuite('workers', (maxMemory) => createCoder({ workers: 2, maxMemory, inlineJobLength: 65_536 }));
coderSuite('SIMD in line', (maxMemory) => createCoder({ maxMemory }));
coderSuite('twin', (maxMemory) => createTwinCoder({ maxMemory }));

describe('the coder', () => {
  it('makes the very pieces and roots that its twin makes', async () => {
    const coder = createCoder({ maxMemory: 16 * 1024 * 1024, inlineJobLength: 65_536 });
    const twin = createTwinCoder({ maxMemory: 16 * 1024 * 1024 });
    const codes = fc.constantFrom([1, 3], [2, 4], [3, 7], [4, 10], [4, 12], [10, 14], [10, 30], [20, 50]);
    await fc.assert(
      fc.asyncProperty(codes, fc.integer({ min: 0, max: 150_000 }), async (code, plaintextLength) => {
        const [k, n] = code as [number, number];
        const shape = segmentShape({ k, n, plaintextLength, isEncrypted: true });
        const [ours, theirs] = await Promise.all([coder.acquire(shape), twin.acquire(shape)]);
        for (const slot of [ours, theirs]) {
          for (const cell of slot.cells(0, plaintextLength)) cell.forEach((_, at) => (cell[at] = at * 31));
        }
        expect(await ours.encodeInPlace(KEY)).toEqual(await theirs.encodeInPlace(KEY));
        for (let index = 0; index < n; index++) {
          expect(Buffer.compare(ours.piece(index), theirs.piece(index))).toBe(0);
        }
        ours.release();
        theirs.release();
      }),
      { numRuns: 10 },
    );
    await coder.close();
  });

  it('fails jobs under way with CLOSED when it is closed', async () => {
    const coder = createCoder({ workers: 1 });
    const slot = await coder.acquire(
      segmentShape({ k: 2, n: 4, plaintextLength: 8_000_000, isEncrypted: true }),
    );
    const jobs = [slot.encodeInPlace(KEY), slot.verify()].map((job) => expectCodeAsync('CLOSED', job));
    await coder.close();
    await Promise.all(jobs);
  });

  it('finishes a job before it lets the process end, and then does not hold it', async () => {
    const script = `
      import { createCoder } from './src/runtime/coder/coder.ts';
      import { segmentShape } from './src/replication/segment.ts';
      const coder = createCoder();
      const slot = await coder.acquire(segmentShape({ k: 2, n: 4, plaintextLength: 5_000_000, isEncrypted: false }));
      const roots = await slot.encodeInPlace(undefined);
      console.log('roots', roots.length);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: new URL('../..', import.meta.url),
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect({ output, code }).toEqual({ output: 'roots 4\n', code: 0 });
  });

  it('refuses options out of bounds', () => {
    for (const options of [
      { workers: 0 },
      { workers: 1.5 },
      { workers: 65 },
      { maxMemory: 1 },
      { maxMemory: 2 ** 33 },
    ]) {
      expect(() => createCoder(options)).toThrow('a coder has');
    }
  });
});
