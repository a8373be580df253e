// Messages in the file format that mail programs share (RFC 4155).

/** A folder of messages that came by SMTP: line ends become LF, and `From ` at the start of a line is quoted. */
export function toMbox(messages: readonly Buffer[]): Buffer {
  const one = (message: Buffer): string => {
    const text = message
      .toString('latin1')
      .replace(/\r\n/g, '\n')
      .replace(/^From /gm, '>From ');
    return `From ann@sender.example Mon Feb  5 10:00:00 2024\n${text}\n\n`;
  };
  return Buffer.from(messages.map(one).join(''), 'latin1');
}
