// The letters in German.
import { shellWord } from '../../host/shell-word.ts';
import { grouped } from '../../keys/fingerprint.ts';
import { type Catalogue, momentIn } from './texts.ts';

const WHAT_SEALING_IS =
  'Was Versiegeln ist: Ihr Mailserver verschließt jede Nachricht für Sie mit Ihrem öffentlichen Schlüssel, sobald sie eintrifft. Nur der private Schlüssel, der auf Ihrem eigenen Gerät liegt und sonst nirgends, öffnet sie wieder. Wer den Server kopiert oder Ihr Postfach ohne diesen Schlüssel liest, sieht nur Zeichensalat. Der übliche Name dafür ist OpenPGP- (oder S/MIME-)Verschlüsselung.';

const NOT_YOU =
  'Wenn Sie das nicht waren, brauchen Sie nichts zu tun: Durch diesen Brief allein ändert sich nichts.';

export const german: Catalogue = {
  senderName: 'Ihr Mailserver (Schlüssel)',
  letters: {
    'sign in': ({ address, link, linkUntil }) => ({
      subject: 'Ihr Link zum Anmelden',
      paragraphs: [
        `Jemand, wahrscheinlich Sie selbst, möchte sich auf der Seite anmelden, auf der die Schlüssel von ${address} verwaltet werden.`,
        `Öffnen Sie diese Adresse und drücken Sie dort den Knopf:\n${link}`,
        `Der Link gilt einmal, bis ${linkUntil}. Geben Sie ihn niemandem: Wer ihn hat, kann für Sie handeln.`,
        NOT_YOU,
      ],
    }),
    confirm: ({ address, fingerprint, link, linkUntil }) => ({
      subject: 'Sie können das lesen: Schlüssel jetzt verwenden',
      paragraphs: [
        'Sie können diesen Brief lesen, also funktioniert Ihr Schlüssel: Der Brief wurde mit dem abgegebenen Schlüssel verschlossen und mit keinem anderen.',
        `Öffnen Sie diese Adresse und drücken Sie dort den Knopf. Von da an, oder vom Ende einer Wartezeit an, die läuft, wird die Post für ${address} mit diesem Schlüssel versiegelt:\n${link}`,
        `Der Schlüssel hat den Fingerabdruck\n${fingerprint}`,
        `Der Link gilt einmal, bis ${linkUntil}. Bevor Sie den Knopf drücken, ändert sich nichts, und ein Schlüssel, den Sie schon haben, bleibt in Gebrauch.`,
        WHAT_SEALING_IS,
        'Bewahren Sie eine Kopie Ihres privaten Schlüssels an einem sicheren Ort auf. Ohne ihn kann niemand, auch der Administrator nicht, öffnen, was von da an versiegelt wird.',
      ],
    }),
    'first key': ({ address, fingerprint, at, until, link, portal }) => ({
      subject: 'Ihre Post wird ab jetzt versiegelt',
      paragraphs: [
        `Seit ${at} wird neue Post für ${address} versiegelt: Sie wird mit einem Schlüssel verschlossen, dessen Fingerabdruck lautet\n${fingerprint}`,
        'Wenn Sie das waren: Alles ist in Ordnung. Dieser Brief ist nicht versiegelt, damit Sie ihn auf jeden Fall lesen können.',
        `Wenn Sie es nicht waren, konnte jemand anderes Ihr Postfach benutzen. Nehmen Sie den Schlüssel bis ${until} zurück:\n${link === '' ? portal : link}`,
        'Drücken Sie dort den Knopf, ändern Sie das Passwort Ihres Postfachs und sagen Sie Ihrem Administrator Bescheid.',
        WHAT_SEALING_IS,
      ],
    }),
    recovery: ({ address, change, until, link, portal }) => ({
      subject: 'Eine Änderung ohne Ihren Schlüssel steht bevor: halten Sie sie an, wenn Sie es nicht waren',
      paragraphs: [
        `Jemand, der das Postfach ${address} benutzen kann, aber den Schlüssel nicht vorgezeigt hat, mit dem Ihre Post versiegelt wird, möchte Folgendes ändern: ${change}`,
        `Das geschieht am ${until} und nicht früher. Bis dahin bleibt Ihre Post so versiegelt, wie sie es ist.`,
        'Wenn Sie das selbst waren, weil Sie Ihren Schlüssel verloren haben: Sie brauchen nur zu warten.',
        `Wenn Sie es nicht waren, halten Sie es an. Öffnen Sie diese Adresse und drücken Sie dort den Knopf:\n${link}`,
        portal === ''
          ? 'Sagen Sie auch Ihrem Administrator Bescheid.'
          : `Wenn Sie Ihren Schlüssel noch haben, melden Sie sich auf ${portal} mit dem Brief an, der damit versiegelt ist, und halten Sie es dort an: Das zählt mehr. Ändern Sie das Passwort Ihres Postfachs und sagen Sie Ihrem Administrator Bescheid.`,
      ],
    }),
    administrator: ({ address, change }) => ({
      subject: `Eine Wiederherstellung von ${address} braucht Ihr Wort`,
      paragraphs: [
        `Für ${address} wurde ohne den aktuellen Schlüssel eine Änderung verlangt: ${change}`,
        'Sie wurde zweimal angehalten, ebenfalls ohne den Schlüssel, oder ihre Briefe konnten nicht übergeben werden. Wer von beiden, die dieses Postfach benutzen, der Eigentümer ist, kann sealpost nicht wissen: Ohne Sie geschieht die Änderung nicht, und sie endet auch nicht.',
        'Finden Sie auf anderem Weg als über dieses Postfach heraus, wer der Eigentümer ist. Entscheiden Sie dann:',
        `sealpost key recovery ${shellWord(address)} --allow\nsealpost key recovery ${shellWord(address)} --refuse`,
      ],
    }),
    test: ({ address }) => ({
      subject: 'Ihr Probebrief',
      paragraphs: [
        `Sie können das lesen, also ist alles in Ordnung: Dieser Brief an ${address} wurde mit dem Schlüssel versiegelt, mit dem auch Ihre Post versiegelt wird.`,
        WHAT_SEALING_IS,
      ],
    }),
    readers: ({ address, at, actor, news, portal }) => ({
      subject: 'Wer Ihre Post lesen kann, hat sich geändert',
      paragraphs: [
        `Am ${at} wurde geändert, wer die Post für ${address} lesen kann oder wie gut sie geschützt ist:`,
        news.map((line) => `- ${line}`).join('\n'),
        `Das war: ${actor}.`,
        'Dieser Brief ist mit einem Schlüssel versiegelt, mit dem Ihre Post vor der Änderung gelesen werden konnte. Ein solcher Brief kommt bei jeder Änderung, wer auch immer sie vornimmt.',
        portal === ''
          ? 'Wenn Sie nicht wissen, warum das geschah, fragen Sie Ihren Administrator.'
          : `Wenn Sie nicht wissen, warum das geschah, sehen Sie sich den Verlauf auf ${portal} an und fragen Sie Ihren Administrator.`,
      ],
    }),
    'key came': ({ address, fingerprint, link, linkUntil }) => ({
      subject: 'Ein Schlüssel kam per Brief, und nichts wurde geändert',
      paragraphs: [
        `Ein Brief, der ${address} als Absender nennt, brachte einen Schlüssel an die Adresse für Schlüssel. Sein Fingerabdruck ist\n${fingerprint}`,
        'Sie haben schon einen Schlüssel. Darum ist dieser Brief damit versiegelt, und nichts wurde geändert: Wer einen Brief schrieb, sagt der Brief nicht.',
        `Wenn Sie es waren und diesen Schlüssel benutzen wollen: Öffnen Sie diese Adresse, drücken Sie dort den Knopf und geben Sie den Schlüssel auf der Seite ab:\n${link}`,
        `Der Link gilt einmal, bis ${linkUntil}. Geben Sie ihn niemandem: Wer ihn hat, kann für Sie handeln.`,
        'Wenn Sie es nicht waren, brauchen Sie nichts zu tun.',
      ],
    }),
    subkey: ({ address, fingerprint, subkey, at, portal }) => ({
      subject: 'Ihre Post wird mit einem anderen Teil Ihres Schlüssels versiegelt',
      paragraphs: [
        `Ab ${at} wird neue Post für ${address} mit einem anderen Teil (einem Unterschlüssel) des Schlüssels versiegelt\n${fingerprint}`,
        `Der Teil, der dann gilt, hat den Fingerabdruck\n${subkey}`,
        'Niemand hat etwas geändert: Ein Schlüssel sagt selbst, ab wann und bis wann jeder seiner Teile gilt. Dieser Brief ist so versiegelt, dass er sich mit dem lesen lässt, womit Ihre Post bisher versiegelt wurde.',
        'Sorgen Sie dafür, dass das Gerät, auf dem Sie Ihre Post lesen, auch diesen Teil Ihres privaten Schlüssels hat. Programme nennen ihn Unterschlüssel (subkey); einer, der auf einem anderen Gerät entstand, muss von dort kopiert werden.',
        portal === ''
          ? 'Wenn Sie ihn nicht haben oder nicht kennen, geben Sie jetzt einen anderen Schlüssel ab und sagen Sie Ihrem Administrator Bescheid.'
          : `Wenn Sie ihn nicht haben oder nicht kennen, geben Sie jetzt auf ${portal} einen anderen Schlüssel ab und sagen Sie Ihrem Administrator Bescheid.`,
      ],
    }),
  },
  changes: {
    key: 'ein anderer Schlüssel tritt an die Stelle des Ihren oder kommt hinzu.',
    'remove key': 'ein Schlüssel wird entfernt.',
    settings: 'Ihre Post wird weniger geschützt als jetzt (Einstellungen).',
    'pass rule': 'ein Teil der Post wird nicht mehr versiegelt (eine Regel).',
    leave: 'Ihre Post wird nicht mehr versiegelt, und Ihre Schlüssel werden entfernt.',
    pause: 'Ihre Post wird einen Tag lang nicht versiegelt.',
  },
  news(news) {
    switch (news.what) {
      case 'key added':
        return `Neue Post kann mit einem weiteren Schlüssel gelesen werden: ${grouped(news.fingerprint)}`;
      case 'key removed':
        return `Neue Post wird nicht mehr mit diesem Schlüssel versiegelt: ${grouped(news.fingerprint)}`;
      case 'subkey added':
        return `Ein Schlüssel von Ihnen hat einen neuen Teil, mit dem Post versiegelt werden kann: ${grouped(news.fingerprint)}`;
      case 'setting':
        return `Eine Einstellung schützt weniger: ${news.name} ist jetzt ${news.value}`;
      case 'forward':
        return `Eine Kopie Ihrer Post geht an ${news.address}`;
      case 'pass rule':
        return 'Eine neue Regel lässt einen Teil der Post unversiegelt durch';
      case 'seal rule gone':
        return 'Eine Regel, nach der Post versiegelt wurde, gibt es nicht mehr';
    }
  },
  actor(actor) {
    if (actor === 'portal') return 'jemand, der als Sie angemeldet war';
    if (actor === 'mail' || actor === 'wks') return 'jemand, der an die Adresse für Schlüssel schrieb';
    if (actor.startsWith('cli:')) return `der Administrator (${actor.slice(4)})`;
    return actor;
  },
  moment: momentIn('de-DE'),
};
