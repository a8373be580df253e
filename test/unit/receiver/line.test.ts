// The line of a spool: where a file stands, from the folder into a batch and back.
import { describe, expect, it } from 'vitest';
import {
  callDue,
  callFor,
  createLine,
  lengthOf,
  letGo,
  matchFolder,
  takeInHand,
} from '../../../receiver/spool/line.ts';

const waitingFor = (userIds: readonly number[], dueAt = 100) => ({ dueAt, userIds, arrived: null });

function lineOf(...names: readonly string[]) {
  const line = createLine();
  matchFolder(line, names);
  return line;
}

describe('the line of a spool', () => {
  it('hands out the oldest first, and each file once', () => {
    const line = lineOf('1.a', '2.b', '3.c');
    expect(takeInHand(line, 2)).toEqual(['1.a', '2.b']);
    matchFolder(line, ['1.a', '2.b', '3.c']);
    expect(takeInHand(line, 2)).toEqual(['3.c']);
    expect(takeInHand(line, 2)).toEqual([]);
    expect(lengthOf(line)).toBe(3);
  });

  it('takes a file again that is still in the folder when its batch has ended', () => {
    const line = lineOf('1.a');
    letGo(line, takeInHand(line, 1), []);
    matchFolder(line, ['1.a']);
    expect(takeInHand(line, 1)).toEqual(['1.a']);
  });

  it('keeps a file in hand that is to be given up, however often the folder shows it', () => {
    const line = lineOf('1.a', '2.b');
    letGo(line, takeInHand(line, 2), [{ name: '2.b' }]);
    matchFolder(line, ['2.b']);
    expect([takeInHand(line, 2), lengthOf(line)]).toEqual([[], 1]);
  });

  it('lets a waiting file wait for its time, and forgets one that is gone', () => {
    const line = createLine();
    line.waiting.set('1.a', waitingFor([]));
    line.waiting.set('2.b', waitingFor([]));
    matchFolder(line, ['2.b']);
    callDue(line, 99);
    expect([takeInHand(line, 2), lengthOf(line)]).toEqual([[], 1]);
    callDue(line, 100);
    expect(takeInHand(line, 2)).toEqual(['2.b']);
  });

  it('calls those that wait for a user before their time, until their batch has ended', () => {
    const line = createLine();
    line.waiting.set('1.a', waitingFor([7, 8]));
    line.waiting.set('2.b', waitingFor([9]));
    callFor(line, 8);
    expect([...line.forced]).toEqual(['1.a']);
    letGo(line, takeInHand(line, 2), []);
    expect([[...line.forced], lengthOf(line)]).toEqual([[], 1]);
    callFor(line, null);
    expect(takeInHand(line, 2)).toEqual(['2.b']);
  });
});
