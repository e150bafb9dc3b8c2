import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arena, createHeapArena, createSharedArena } from '../../../src/runtime/coder/arena.ts';

const START = 70_000;

function sharedArena(): Arena {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  return createSharedArena(memory, START, 900_000);
}

describe('an arena', () => {
  it('never hands out a byte twice, nor one below its start, whatever is taken and given back', () => {
    const steps = fc.array(
      fc.record({ length: fc.integer({ min: 0, max: 300_000 }), victim: fc.nat(), isFree: fc.boolean() }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const arena = sharedArena();
        const held: Uint8Array[] = [];
        for (const { length, victim, isFree } of all) {
          if (isFree && held.length > 0) {
            arena.free(held.splice(victim % held.length, 1)[0]!);
            continue;
          }
          const region = arena.allocate(length);
          if (!region) continue;
          expect(region.length).toBe(length);
          expect(region.byteOffset).toBeGreaterThanOrEqual(START);
          for (const other of held) {
            const isApart =
              other.byteOffset + other.length <= region.byteOffset ||
              region.byteOffset + region.length <= other.byteOffset;
            expect(isApart).toBe(true);
          }
          held.push(region);
        }
        for (const region of held) arena.free(region);
        expect(arena.allocate(arena.capacity)?.length).toBe(arena.capacity);
      }),
    );
  });

  it('hands out all of its bytes and no more', () => {
    for (const arena of [sharedArena(), createHeapArena(81_920)]) {
      expect(arena.allocate(arena.capacity + 1)).toBeUndefined();
      const whole = arena.allocate(arena.capacity);
      expect(whole?.length).toBe(arena.capacity);
      expect(arena.allocate(1)).toBeUndefined();
      arena.free(whole!);
      expect(arena.allocate(1)?.length).toBe(1);
    }
  });
});
