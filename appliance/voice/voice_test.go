package voice

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/media"
)

func said(text string) media.Heard {
	return media.Heard{Time: time.Now(), Header: 1, Packet: []byte("h" + text)}
}

func texts(b *Book, call string) (all string) {
	for _, p := range b.Packets(call) {
		all += string(p.Data) + " "
	}
	return all
}

func TestNothingIsKeptUnasked(t *testing.T) {
	var b Book
	if b.Taker("1a", "+4930123", "+4940456") != nil || b.Forget() {
		t.Error("somebody wants a call that nobody asked for")
	}
	b.Ask("30123")
	for name, x := range map[string][3]string{"calling": {"1a", "+4930123", ""}, "called": {"1b", "", "30123"}} {
		if b.Taker(x[0], x[1], x[2]) == nil {
			t.Errorf("%s number is not wanted", name)
		}
	}
	if b.Taker("1c", "+49301234", "1") != nil {
		t.Error("another number is wanted")
	}
	b.Ask("1D")
	if b.Taker("1d", "", "") == nil {
		t.Error("a call by its ID is not wanted")
	}
}

func TestWishesEndAndVoiceIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book
		b.Ask("123")
		take := b.Taker("1a", "123", "")
		take(said("1"))
		time.Sleep(Longest)
		take(said("too late"))
		if got := texts(&b, "1A"); got != "h1 " || b.Taker("1b", "123", "") != nil {
			t.Errorf("%q", got)
		}
		time.Sleep(kept + time.Second)
		if got := texts(&b, "1a"); got != "" {
			t.Errorf("%q after an hour", got)
		}
		b.Ask("123")
		take = b.Taker("1a", "123", "")
		take(said("2"))
		if !b.Forget() || texts(&b, "1a") != "" {
			t.Error("not forgotten")
		}
		if take(said("3")); texts(&b, "1a") != "" {
			t.Error("kept after the wish was taken back")
		}
	})
}

// Which digits were dialled is nobody's business: a PIN would be among them.
func TestDigitsAreLeftOut(t *testing.T) {
	var b Book
	b.Ask("123")
	h := said("\x05\x8a\x00\xa0")
	h.Event = true
	packet := bytes.Clone(h.Packet)
	b.Taker("1a", "123", "")(h)
	if got := b.Packets("1a"); len(got) != 1 || !bytes.Equal(got[0].Data, []byte("h\xff\xff\xff\xff")) {
		t.Errorf("%q", got)
	}
	if !bytes.Equal(h.Packet, packet) {
		t.Error("the packet itself was changed")
	}
}

func TestVoiceHasABound(t *testing.T) {
	var b Book
	for n := range 3 * mostAsks {
		b.Ask(fmt.Sprint("number", n))
	}
	b.Ask("123")
	take, other := b.Taker("1a", "123", ""), b.Taker("1b", "123", "")
	other(said("first"))
	for n := range 200_000 {
		take(said(fmt.Sprintf("%0172d", n)))
	}
	held := 0
	for _, p := range b.pieces {
		held += cap(p.octets)
	}
	list := b.Packets("1a")
	if held > room || len(b.asks) > mostAsks || texts(&b, "1b") != "" || len(list) < 20_000 {
		t.Errorf("%d octets, %d wishes, %d packets", held, len(b.asks), len(list))
	}
	if last := list[len(list)-1].Data; !bytes.HasSuffix(last, []byte("199999")) {
		t.Errorf("the last packet is missing: %q", last)
	}
}
