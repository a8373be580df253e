// The letters in English.
import { shellWord } from '../../host/shell-word.ts';
import { grouped } from '../../keys/fingerprint.ts';
import { type Catalogue, momentIn } from './texts.ts';

const WHAT_SEALING_IS =
  'About sealing: your mail server locks every message for you with your public key, as soon as it arrives. Only the private key, which is on your own device and nowhere else, opens it. Whoever copies the server, or reads your mailbox without that key, sees nothing but scrambled text. The usual name for this is OpenPGP (or S/MIME) encryption.';

const NOT_YOU =
  'If you did not ask for this, you need not do anything: nothing changes by this letter alone.';

export const english: Catalogue = {
  senderName: 'Your mail server (keys)',
  letters: {
    'sign in': ({ address, link, linkUntil }) => ({
      subject: 'Your link to sign in',
      paragraphs: [
        `Somebody, most likely you, asked to sign in to the page where the keys of ${address} are kept.`,
        `Open this address and press the button there:\n${link}`,
        `The link works once, until ${linkUntil}. Give it to nobody: whoever has it can act for you.`,
        NOT_YOU,
      ],
    }),
    confirm: ({ address, fingerprint, link, linkUntil }) => ({
      subject: 'You can read this: use your key now',
      paragraphs: [
        'You can read this letter, so your key works: it was locked with the key that was handed over, and with nothing else.',
        `Open this address and press the button there. From then on, or from the end of a waiting time that runs, the mail for ${address} is sealed with this key:\n${link}`,
        `The key has the fingerprint\n${fingerprint}`,
        `The link works once, until ${linkUntil}. Until you press the button nothing changes, and a key that you used before stays in use.`,
        WHAT_SEALING_IS,
        'Keep a copy of your private key in a safe place. Without it nobody, not even the administrator, can open what is sealed from then on.',
      ],
    }),
    'first key': ({ address, fingerprint, at, until, link, portal }) => ({
      subject: 'Your mail is sealed from now on',
      paragraphs: [
        `Since ${at} new mail for ${address} is sealed: it is locked with a key whose fingerprint is\n${fingerprint}`,
        'If that was you: all is well. This letter is not sealed, so that it can be read by you in any case.',
        `If it was not you, somebody else could use your mailbox. Take the key back until ${until}:\n${link === '' ? portal : link}`,
        'Press the button there, change the password of your mailbox, and tell your administrator.',
        WHAT_SEALING_IS,
      ],
    }),
    recovery: ({ address, change, until, link, portal }) => ({
      subject: 'A change without your key is on its way: stop it if it was not you',
      paragraphs: [
        `Somebody who can use the mailbox ${address}, but who has not shown the key that your mail is sealed with, asked for this change: ${change}`,
        `It happens on ${until}, and not before. Until then your mail stays sealed as it is.`,
        'If you asked for it because you have lost your key: you need not do anything but wait.',
        `If it was not you, stop it. Open this address and press the button there:\n${link}`,
        portal === ''
          ? 'Tell your administrator, too.'
          : `If you still have your key, sign in at ${portal} by the letter that is sealed with it, and stop it there: that counts for more. Change the password of your mailbox, and tell your administrator.`,
      ],
    }),
    administrator: ({ address, change }) => ({
      subject: `A recovery of ${address} needs your word`,
      paragraphs: [
        `For the user ${address} a change was asked for without the current key: ${change}`,
        'It was stopped twice without the key as well, or its letters could not be handed over. Of the two who use this mailbox, sealpost cannot tell which one is the owner: the change neither happens nor ends without you.',
        'Find out who the owner is by other means than this mailbox. Then decide:',
        `sealpost key recovery ${shellWord(address)} --allow\nsealpost key recovery ${shellWord(address)} --refuse`,
      ],
    }),
    test: ({ address }) => ({
      subject: 'Your test letter',
      paragraphs: [
        `You can read this, so all is well: this letter to ${address} was sealed with the key that your mail is sealed with.`,
        WHAT_SEALING_IS,
      ],
    }),
    readers: ({ address, at, actor, news, portal }) => ({
      subject: 'Who can read your mail was changed',
      paragraphs: [
        `On ${at} it was changed who can read the mail for ${address}, or how well it is protected:`,
        news.map((line) => `- ${line}`).join('\n'),
        `It was done by: ${actor}.`,
        'This letter is sealed with a key that could read your mail before the change. Such a letter is sent at every change, whoever makes it.',
        portal === ''
          ? 'If you do not know why this was done, ask your administrator.'
          : `If you do not know why this was done, look at the history at ${portal}, and ask your administrator.`,
      ],
    }),
    'key came': ({ address, fingerprint, link, linkUntil }) => ({
      subject: 'A key came by mail, and nothing was changed',
      paragraphs: [
        `A letter that names ${address} as its author brought a key to the address for keys. Its fingerprint is\n${fingerprint}`,
        'You have a key already, so this letter is sealed with it, and nothing was changed: who wrote a letter cannot be told from the letter.',
        `If it was you, and you want to use that key: open this address, press the button there, and hand the key over on the page:\n${link}`,
        `The link works once, until ${linkUntil}. Give it to nobody: whoever has it can act for you.`,
        'If it was not you, you need not do anything.',
      ],
    }),
    subkey: ({ address, fingerprint, subkey, at, portal }) => ({
      subject: 'Your mail will be sealed with another part of your key',
      paragraphs: [
        `From ${at} on new mail for ${address} is sealed with another part (a subkey) of the key\n${fingerprint}`,
        `The part that takes over has the fingerprint\n${subkey}`,
        'Nobody has changed anything: a key says itself from when, and until when, each of its parts counts. This letter is sealed so that it can be read with what your mail was sealed with before.',
        'Make sure that the device on which you read your mail has this part of your private key, too. Programs call it a subkey; one that was made on another device has to be copied from there.',
        portal === ''
          ? 'If you do not have it, or do not know it, hand over another key now, and tell your administrator.'
          : `If you do not have it, or do not know it, hand over another key at ${portal} now, and tell your administrator.`,
      ],
    }),
  },
  changes: {
    key: 'another key takes the place of yours, or comes beside it.',
    'remove key': 'a key is removed.',
    settings: 'your mail is protected less than now (settings).',
    'pass rule': 'some mail is no longer sealed (a rule).',
    leave: 'your mail is not sealed any more, and your keys are removed.',
    pause: 'your mail is not sealed for a day.',
  },
  news(news) {
    switch (news.what) {
      case 'key added':
        return `New mail can be read with another key: ${grouped(news.fingerprint)}`;
      case 'key removed':
        return `New mail is not sealed with this key any more: ${grouped(news.fingerprint)}`;
      case 'subkey added':
        return `A key of yours has a new part that mail can be sealed with: ${grouped(news.fingerprint)}`;
      case 'setting':
        return `A setting protects less: ${news.name} is ${news.value} now`;
      case 'forward':
        return `A copy of your mail goes to ${news.address}`;
      case 'pass rule':
        return 'A new rule lets some mail through that is not sealed';
      case 'seal rule gone':
        return 'A rule is gone that had mail sealed';
    }
  },
  actor(actor) {
    if (actor === 'portal') return 'somebody who was signed in as you';
    if (actor === 'mail' || actor === 'wks') return 'somebody who wrote to the address for keys';
    if (actor.startsWith('cli:')) return `the administrator (${actor.slice(4)})`;
    return actor;
  },
  moment: momentIn('en-GB'),
};
