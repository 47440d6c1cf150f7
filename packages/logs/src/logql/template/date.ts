import type { Moment } from './value.ts';

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const PART = /January|Jan|Monday|Mon|MST|2006|-07:00|-0700|Z07:00|\.0{1,9}|\.9{1,9}|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5/g;

/** Formats a moment by one of Go's layouts, which spell the second of January 2006, 15:04:05. In UTC. */
export function formatDate(layout: string, { ns }: Moment): string {
  const date = new Date(Number(ns / 1_000_000n));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hour = date.getUTCHours();
  const nanoseconds = String(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n).padStart(9, '0');
  const part = (text: string): string => {
    switch (text) {
      case 'January':
        return MONTHS[date.getUTCMonth()]!;
      case 'Jan':
        return MONTHS[date.getUTCMonth()]!.slice(0, 3);
      case 'Monday':
        return DAYS[date.getUTCDay()]!;
      case 'Mon':
        return DAYS[date.getUTCDay()]!.slice(0, 3);
      case 'MST':
        return 'UTC';
      case '-07:00':
        return '+00:00';
      case '-0700':
        return '+0000';
      case 'Z07:00':
        return 'Z';
      case '2006':
        return String(date.getUTCFullYear());
      case '06':
        return two(date.getUTCFullYear() % 100);
      case '01':
        return two(date.getUTCMonth() + 1);
      case '1':
        return String(date.getUTCMonth() + 1);
      case '02':
        return two(date.getUTCDate());
      case '_2':
        return String(date.getUTCDate()).padStart(2, ' ');
      case '2':
        return String(date.getUTCDate());
      case '15':
        return two(hour);
      case '03':
        return two(hour % 12 || 12);
      case '3':
        return String(hour % 12 || 12);
      case '04':
        return two(date.getUTCMinutes());
      case '4':
        return String(date.getUTCMinutes());
      case '05':
        return two(date.getUTCSeconds());
      case '5':
        return String(date.getUTCSeconds());
      case 'PM':
        return hour < 12 ? 'AM' : 'PM';
      case 'pm':
        return hour < 12 ? 'am' : 'pm';
      default: {
        const digits = nanoseconds.slice(0, text.length - 1);
        const shown = text[1] === '9' ? digits.replace(/0+$/, '') : digits;
        return shown === '' ? '' : `.${shown}`;
      }
    }
  };
  return layout.replace(PART, part);
}
