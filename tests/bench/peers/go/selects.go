// SPDX-License-Identifier: Apache-2.0

// Select statements of many cases, written out, which is the fastest that Go has for them.

package main

func select2(c []chan int, add func(int)) {
	select {
	case v := <-c[0]:
		add(v)
	case v := <-c[1]:
		add(v)
	}
}

func select16(c []chan int, add func(int)) {
	select {
	case v := <-c[0]:
		add(v)
	case v := <-c[1]:
		add(v)
	case v := <-c[2]:
		add(v)
	case v := <-c[3]:
		add(v)
	case v := <-c[4]:
		add(v)
	case v := <-c[5]:
		add(v)
	case v := <-c[6]:
		add(v)
	case v := <-c[7]:
		add(v)
	case v := <-c[8]:
		add(v)
	case v := <-c[9]:
		add(v)
	case v := <-c[10]:
		add(v)
	case v := <-c[11]:
		add(v)
	case v := <-c[12]:
		add(v)
	case v := <-c[13]:
		add(v)
	case v := <-c[14]:
		add(v)
	case v := <-c[15]:
		add(v)
	}
}

func select128(c []chan int, add func(int)) {
	select {
	case v := <-c[0]:
		add(v)
	case v := <-c[1]:
		add(v)
	case v := <-c[2]:
		add(v)
	case v := <-c[3]:
		add(v)
	case v := <-c[4]:
		add(v)
	case v := <-c[5]:
		add(v)
	case v := <-c[6]:
		add(v)
	case v := <-c[7]:
		add(v)
	case v := <-c[8]:
		add(v)
	case v := <-c[9]:
		add(v)
	case v := <-c[10]:
		add(v)
	case v := <-c[11]:
		add(v)
	case v := <-c[12]:
		add(v)
	case v := <-c[13]:
		add(v)
	case v := <-c[14]:
		add(v)
	case v := <-c[15]:
		add(v)
	case v := <-c[16]:
		add(v)
	case v := <-c[17]:
		add(v)
	case v := <-c[18]:
		add(v)
	case v := <-c[19]:
		add(v)
	case v := <-c[20]:
		add(v)
	case v := <-c[21]:
		add(v)
	case v := <-c[22]:
		add(v)
	case v := <-c[23]:
		add(v)
	case v := <-c[24]:
		add(v)
	case v := <-c[25]:
		add(v)
	case v := <-c[26]:
		add(v)
	case v := <-c[27]:
		add(v)
	case v := <-c[28]:
		add(v)
	case v := <-c[29]:
		add(v)
	case v := <-c[30]:
		add(v)
	case v := <-c[31]:
		add(v)
	case v := <-c[32]:
		add(v)
	case v := <-c[33]:
		add(v)
	case v := <-c[34]:
		add(v)
	case v := <-c[35]:
		add(v)
	case v := <-c[36]:
		add(v)
	case v := <-c[37]:
		add(v)
	case v := <-c[38]:
		add(v)
	case v := <-c[39]:
		add(v)
	case v := <-c[40]:
		add(v)
	case v := <-c[41]:
		add(v)
	case v := <-c[42]:
		add(v)
	case v := <-c[43]:
		add(v)
	case v := <-c[44]:
		add(v)
	case v := <-c[45]:
		add(v)
	case v := <-c[46]:
		add(v)
	case v := <-c[47]:
		add(v)
	case v := <-c[48]:
		add(v)
	case v := <-c[49]:
		add(v)
	case v := <-c[50]:
		add(v)
	case v := <-c[51]:
		add(v)
	case v := <-c[52]:
		add(v)
	case v := <-c[53]:
		add(v)
	case v := <-c[54]:
		add(v)
	case v := <-c[55]:
		add(v)
	case v := <-c[56]:
		add(v)
	case v := <-c[57]:
		add(v)
	case v := <-c[58]:
		add(v)
	case v := <-c[59]:
		add(v)
	case v := <-c[60]:
		add(v)
	case v := <-c[61]:
		add(v)
	case v := <-c[62]:
		add(v)
	case v := <-c[63]:
		add(v)
	case v := <-c[64]:
		add(v)
	case v := <-c[65]:
		add(v)
	case v := <-c[66]:
		add(v)
	case v := <-c[67]:
		add(v)
	case v := <-c[68]:
		add(v)
	case v := <-c[69]:
		add(v)
	case v := <-c[70]:
		add(v)
	case v := <-c[71]:
		add(v)
	case v := <-c[72]:
		add(v)
	case v := <-c[73]:
		add(v)
	case v := <-c[74]:
		add(v)
	case v := <-c[75]:
		add(v)
	case v := <-c[76]:
		add(v)
	case v := <-c[77]:
		add(v)
	case v := <-c[78]:
		add(v)
	case v := <-c[79]:
		add(v)
	case v := <-c[80]:
		add(v)
	case v := <-c[81]:
		add(v)
	case v := <-c[82]:
		add(v)
	case v := <-c[83]:
		add(v)
	case v := <-c[84]:
		add(v)
	case v := <-c[85]:
		add(v)
	case v := <-c[86]:
		add(v)
	case v := <-c[87]:
		add(v)
	case v := <-c[88]:
		add(v)
	case v := <-c[89]:
		add(v)
	case v := <-c[90]:
		add(v)
	case v := <-c[91]:
		add(v)
	case v := <-c[92]:
		add(v)
	case v := <-c[93]:
		add(v)
	case v := <-c[94]:
		add(v)
	case v := <-c[95]:
		add(v)
	case v := <-c[96]:
		add(v)
	case v := <-c[97]:
		add(v)
	case v := <-c[98]:
		add(v)
	case v := <-c[99]:
		add(v)
	case v := <-c[100]:
		add(v)
	case v := <-c[101]:
		add(v)
	case v := <-c[102]:
		add(v)
	case v := <-c[103]:
		add(v)
	case v := <-c[104]:
		add(v)
	case v := <-c[105]:
		add(v)
	case v := <-c[106]:
		add(v)
	case v := <-c[107]:
		add(v)
	case v := <-c[108]:
		add(v)
	case v := <-c[109]:
		add(v)
	case v := <-c[110]:
		add(v)
	case v := <-c[111]:
		add(v)
	case v := <-c[112]:
		add(v)
	case v := <-c[113]:
		add(v)
	case v := <-c[114]:
		add(v)
	case v := <-c[115]:
		add(v)
	case v := <-c[116]:
		add(v)
	case v := <-c[117]:
		add(v)
	case v := <-c[118]:
		add(v)
	case v := <-c[119]:
		add(v)
	case v := <-c[120]:
		add(v)
	case v := <-c[121]:
		add(v)
	case v := <-c[122]:
		add(v)
	case v := <-c[123]:
		add(v)
	case v := <-c[124]:
		add(v)
	case v := <-c[125]:
		add(v)
	case v := <-c[126]:
		add(v)
	case v := <-c[127]:
		add(v)
	}
}
